import type { ServiceImpl } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import {
  type HostAgentService,
  SandboxStatus,
  type StreamWriteFileRequest,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import { runCommand } from "../sandboxes/calls/commands.ts";
import { readWholeFile, streamFile, writeFile } from "../sandboxes/calls/files.ts";
import { requireHostname } from "../sandboxes/record/new-sandbox.ts";
import type { SandboxReason } from "../sandboxes/record/reason.ts";
import type { SandboxService } from "../sandboxes/service.ts";
import type { Sandbox } from "../sandboxes/state/sandbox.ts";
import { within } from "./bounds.ts";
import { collectedMetrics } from "./collected-metrics.ts";
import { execStream, guestCommand } from "./exec-stream.ts";
import { fileCalls } from "./file-calls.ts";
import type { HostFacts } from "./host-facts.ts";
import { processCalls } from "./process-calls.ts";
import { newSpec, settingsOf, specMessage } from "./spec.ts";
import { templateCalls, templateInfo } from "./template-calls.ts";

/** Ties the host to a control plane; whether it is. */
export type JoinControlPlane = (request: {
  controlPlaneUrl: string;
  hostId: string;
  /** Empty = none. */
  token: string;
}) => Promise<boolean>;

/** The `hostagent` service: translates messages, and leaves every decision to the sandboxes. */
export function hostAgentService(
  sandboxes: SandboxService,
  facts: () => Promise<HostFacts>,
  join: JoinControlPlane,
): ServiceImpl<typeof HostAgentService> {
  return {
    async createSandbox(request) {
      const sandbox = await sandboxes.create({
        id: request.sandboxId,
        teamId: request.teamId,
        spec: newSpec(request.spec),
        env: request.env,
        ...(request.hostname !== undefined && { hostname: requireHostname(request.hostname) }),
      });
      return { sandbox: sandboxInfo(sandbox) };
    },
    async pauseSandbox({ sandboxId }) {
      return { sandbox: sandboxInfo(await sandboxes.pause(sandboxId)) };
    },
    async resumeSandbox({ sandboxId, timeoutSec }) {
      if (timeoutSec !== undefined) within("timeout_sec", timeoutSec, LIMITS.timeoutSec);
      return { sandbox: sandboxInfo(await sandboxes.resume(sandboxId, timeoutSec)) };
    },
    async updateSandbox({ sandboxId, spec }) {
      return { sandbox: sandboxInfo(await sandboxes.update(sandboxId, settingsOf(spec))) };
    },
    async rollbackSandbox({ sandboxId }) {
      return { sandbox: sandboxInfo(await sandboxes.rollback(sandboxId)) };
    },
    async forkSandbox({ sandboxId, forkIds }) {
      within("number of copies", forkIds.length, LIMITS.forks);
      const results = await sandboxes.fork(sandboxId, forkIds);
      return { results: results.map((result, index) => forkResult(forkIds[index] ?? "", result)) };
    },
    async createTemplate({ sandboxId, teamId, name, overwrite }) {
      return { template: templateInfo(await sandboxes.createTemplate(sandboxId, teamId, name, overwrite)) };
    },
    async deleteTemplate({ teamId, name, snapshotId }) {
      await sandboxes.deleteTemplate(teamId, name, snapshotId || undefined);
      return {};
    },
    async destroySandbox({ sandboxId }) {
      await sandboxes.destroy(sandboxId);
      return {};
    },
    pingSandbox({ sandboxId }) {
      const sandbox = sandboxes.get(sandboxId);
      sandbox.requireRunning();
      sandbox.touch();
      return {};
    },
    listSandboxes() {
      const all = sandboxes.list();
      const autoPaused = all.filter(
        ({ record: { status, reason } }) => status === "paused" && reason?.code === "inactivity",
      );
      const listed = [...all, ...sandboxes.stopped()];
      return { sandboxes: listed.map(sandboxInfo), autoPausedSandboxIds: autoPaused.map(({ id }) => id) };
    },
    async *watchSandboxes(_, { signal }) {
      for await (const sandboxIds of sandboxes.watch(signal)) yield { sandboxIds };
    },
    async exec(request, context) {
      const sandbox = await sandboxes.awake(request.sandboxId);
      const { tag, stdin } = request;
      const command = guestCommand(request.command, { tag, stdin: stdin !== undefined });
      const limit = Math.min(request.maxOutputBytes || LIMITS.execOutputBytes, LIMITS.execOutputBytes);
      const result = await runCommand(sandbox, command, stdin, limit, context.signal);
      return { ...result };
    },
    execStream: (requests, context) => execStream(sandboxes, requests, context),
    async writeFile({ sandboxId, path, user, content }) {
      await writeFile(await sandboxes.awake(sandboxId), { path, user: user || undefined }, [content]);
      return {};
    },
    async readFile({ sandboxId, path, user }, context) {
      return {
        content: await readWholeFile(await sandboxes.awake(sandboxId), path, user || undefined, context.signal),
      };
    },
    streamWriteFile: (requests) => streamWriteFile(sandboxes, requests),
    async *streamReadFile({ sandboxId, path, user }, context) {
      const sandbox = await sandboxes.awake(sandboxId);
      for await (const part of streamFile(sandbox, path, user || undefined, context.signal)) {
        if ("chunk" in part) yield { message: { case: "chunk" as const, value: part.chunk } };
        else
          yield {
            message: { case: "meta" as const, value: part.size === undefined ? {} : { size: BigInt(part.size) } },
          };
      }
    },
    ...fileCalls(sandboxes),
    ...processCalls(sandboxes),
    ...templateCalls(sandboxes),
    async getHost() {
      return { ...(await facts()) };
    },
    async joinControlPlane({ controlPlaneUrl, hostId, token }) {
      return { joined: await join({ controlPlaneUrl, hostId, token }) };
    },
    collectMetrics: ({ acknowledged }) => collectedMetrics(sandboxes, acknowledged),
  };
}

async function streamWriteFile(sandboxes: SandboxService, requests: AsyncIterable<StreamWriteFileRequest>) {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done || first.value.message.case !== "meta") {
    throw new WarrenError("invalid_request", "the first message of a file must be meta");
  }
  const meta = first.value.message.value;
  let size = 0;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for await (const { message } of { [Symbol.asyncIterator]: () => iterator }) {
      if (message.case === "end") return;
      if (message.case !== "chunk") throw new WarrenError("invalid_request", "meta may only come first");
      size += message.value.length;
      yield message.value;
    }
    throw new WarrenError("invalid_request", "the file broke off: its last message must be end");
  }
  await writeFile(await sandboxes.awake(meta.sandboxId), { path: meta.path, user: meta.user || undefined }, chunks());
  return { size: BigInt(size) };
}

/** States as the protocol names them. A sandbox that is gone is in no answer. */
const STATUSES = {
  starting: SandboxStatus.STARTING,
  running: SandboxStatus.RUNNING,
  pausing: SandboxStatus.PAUSING,
  paused: SandboxStatus.PAUSED,
  resuming: SandboxStatus.RESUMING,
  stopping: SandboxStatus.STOPPING,
  stopped: SandboxStatus.STOPPED,
  gone: SandboxStatus.UNSPECIFIED,
} as const;

function sandboxInfo(sandbox: Sandbox) {
  const { record, live } = sandbox;
  const { reason } = sandbox;
  return {
    sandboxId: record.id,
    teamId: record.teamId,
    status: STATUSES[sandbox.status],
    spec: specMessage(record.spec),
    hostIp: live?.slot.hostIp ?? "",
    createdAtUnixMs: BigInt(record.createdAt),
    lastActiveAtUnixMs: BigInt(sandbox.lastActiveAt),
    diskBytes: BigInt(record.diskBytes ?? 0),
    ...(reason && { reason: reasonInfo(reason) }),
  };
}

function reasonInfo({ code, message, console = "", at }: SandboxReason) {
  return { code, message, console, atUnixMs: BigInt(at) };
}

function forkResult(sandboxId: string, result: Sandbox | WarrenError) {
  if (result instanceof WarrenError) {
    const { code, message } = result;
    return { sandboxId, result: { case: "error" as const, value: { code, message } } };
  }
  return { sandboxId, result: { case: "sandbox" as const, value: sandboxInfo(result) } };
}
