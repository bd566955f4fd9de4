import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ExecStreamRequestSchema,
  type SandboxSpecSchema,
  SandboxStatus,
  type StreamWriteFileRequestSchema,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { ARCHIVE_END, readArchive } from "@warren/server/archive";
import { newSandboxId } from "@warren/server/sandbox-id";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HostClient } from "../host-client.ts";
import { fromRpcError } from "../rpc-errors.ts";
import { describeProcesses } from "./process-contract.ts";

/** A host agent that the suite runs on. */
export interface ContractSubject {
  client: HostClient;
  /** A template from which sandboxes start. */
  template: string;
  /** Has a sandbox with a timeout of a second pass it without use, where that does not happen by itself. */
  passInactivity(sandboxId: string): Promise<void>;
  /** Has what a sandbox has used until now be measured, where that does not happen by itself. */
  measure(sandboxId: string): Promise<void>;
  close(): Promise<void>;
}

type StreamInput = MessageInitShape<typeof ExecStreamRequestSchema>;

const NEVER = new AbortController().signal;
const TEAM = "00000000-0000-4000-8000-000000000001";
const SIGTERM = 15;

/** What the control plane relies on in every host agent, the one of its tests and the real one. */
export function describeHostAgent(name: string, start: () => Promise<ContractSubject>): void {
  describe(name, () => {
    let subject: ContractSubject;
    beforeAll(async () => {
      subject = await start();
    });
    afterAll(() => subject?.close());

    const agent = () => subject.client.agent;
    const create = async (spec: MessageInitShape<typeof SandboxSpecSchema> = {}) => {
      const sandboxId = newSandboxId();
      const settings = { template: subject.template, vcpus: 1, memoryMb: 128, timeoutSec: 0, ...spec };
      const request = { sandboxId, teamId: TEAM, spec: settings, env: { COLOUR: "blue" } };
      return (await agent().createSandbox(request)).sandbox!;
    };
    const destroy = (...ids: string[]) => Promise.all(ids.map((sandboxId) => agent().destroySandbox({ sandboxId })));
    /** What a shell says, as text. */
    const shell = async (sandboxId: string, script: string) => {
      const { stdout } = await agent().exec({ sandboxId, command: { cmd: "sh", args: ["-c", script] } });
      return Buffer.from(stdout).toString();
    };

    describe("a sandbox", () => {
      let id: string;
      beforeAll(async () => {
        const spec = { timeoutSec: 3600, onTimeout: "destroy", autoResume: true };
        const info = await create(spec);
        id = info.sandboxId;
        expect(info).toMatchObject({ teamId: TEAM, status: SandboxStatus.RUNNING });
        expect(info.spec).toMatchObject({ ...spec, template: subject.template, vcpus: 1, memoryMb: 128 });
        expect(info.hostIp).not.toBe("");
        expect(info.reason).toBeUndefined();
        expect(info.createdAtUnixMs).toBeGreaterThan(0n);
        expect(info.lastActiveAtUnixMs).toBeGreaterThanOrEqual(info.createdAtUnixMs);
      });
      afterAll(() => destroy(id));

      it("is made once", async () => {
        const spec = { template: subject.template, vcpus: 1, memoryMb: 128 };
        expect(await codeOf(agent().createSandbox({ sandboxId: id, teamId: TEAM, spec }))).toBe("already_exists");
        const other = { sandboxId: newSandboxId(), teamId: TEAM, spec: { ...spec, template: "nothing" } };
        expect(await codeOf(agent().createSandbox(other))).toBe("template_not_found");
      });

      it("is listed", async () => {
        const listed = await agent().listSandboxes({});
        expect(listed.sandboxes.map(({ sandboxId }) => sandboxId)).toContain(id);
        expect(listed.autoPausedSandboxIds).not.toContain(id);
      });

      it("keeps what is not changed of its settings", async () => {
        const { sandbox } = await agent().updateSandbox({ sandboxId: id, spec: { timeoutSec: 7200 } });
        expect(sandbox?.spec).toMatchObject({ timeoutSec: 7200, onTimeout: "destroy", autoResume: true });
        const kept = await codeOf(agent().updateSandbox({ sandboxId: id, spec: { memoryMb: 512 } }));
        expect(kept).toBe("invalid_request");
      });

      it("runs commands, and says how they ended", async () => {
        const command = {
          cmd: "sh",
          args: ["-c", "cat; echo $COLOUR $MORE; echo bad >&2; exit 3"],
          env: { MORE: "1" },
        };
        const ended = await agent().exec({ sandboxId: id, command, stdin: Buffer.from("in ") });
        expect(ended).toMatchObject({ exitCode: 3, signal: "", timedOut: false, stdoutTruncated: false });
        expect(Buffer.from(ended.stdout).toString()).toBe("in blue 1\n");
        expect(Buffer.from(ended.stderr).toString()).toBe("bad\n");
        const killed = await agent().exec({ sandboxId: id, command: { cmd: "sh", args: ["-c", "kill -TERM $$"] } });
        expect(killed).toMatchObject({ exitCode: 128 + SIGTERM, signal: "SIGTERM" });
        const cut = await agent().exec({ sandboxId: id, command: { cmd: "echo", args: ["long"] }, maxOutputBytes: 2 });
        expect(cut).toMatchObject({ stdoutTruncated: true, stderrTruncated: false });
        expect(Buffer.from(cut.stdout).toString()).toBe("lo");
        const late = await agent().exec({ sandboxId: id, command: { cmd: "sleep", args: ["1000"], timeoutMs: 100 } });
        expect(late.timedOut).toBe(true);
        const absent = await agent().exec({ sandboxId: id, command: { cmd: "no-such-program" } });
        expect(absent.exitCode).toBe(127);
      });

      it("streams a command, its input and what became of that", async () => {
        const command = { cmd: "sh", args: ["-c", "cat; exit 5"] };
        const input: StreamInput[] = [
          { message: { case: "start", value: { sandboxId: id, command, stdin: true } } },
          { message: { case: "stdin", value: Buffer.from("through") } },
          { message: { case: "closeStdin", value: {} } },
        ];
        const seen = { started: 0, stdout: "", taken: 0, exitCode: -1 };
        for await (const { message } of agent().execStream(stay(input))) {
          if (message.case === "started") seen.started = message.value.pid;
          else if (message.case === "stdout") seen.stdout += Buffer.from(message.value).toString();
          else if (message.case === "stdinTaken") seen.taken += message.value;
          else if (message.case === "ended") seen.exitCode = message.value.exitCode;
        }
        expect(seen).toMatchObject({ stdout: "through", taken: "through".length, exitCode: 5 });
        expect(seen.started).toBeGreaterThan(0);
        const nothing = stay<StreamInput>([{ message: { case: "closeStdin", value: {} } }]);
        expect(await codeOf(agent().execStream(nothing)[Symbol.asyncIterator]().next())).toBe("invalid_request");
      });

      it("ends a streamed command by a signal", async () => {
        const command = { cmd: "sh", args: ["-c", "echo ready; exec sleep 1000"] };
        const isReady = Promise.withResolvers<void>();
        async function* input(): AsyncGenerator<StreamInput> {
          yield { message: { case: "start", value: { sandboxId: id, command, stdin: false } } };
          await isReady.promise;
          yield { message: { case: "signal", value: { number: SIGTERM } } };
          await new Promise(() => undefined);
        }
        let signal: string | undefined;
        for await (const { message } of agent().execStream(input())) {
          if (message.case === "stdout") isReady.resolve();
          if (message.case === "ended") signal = message.value.signal;
        }
        expect(signal).toBe("SIGTERM");
      });

      it("takes and gives files, as bodies and as messages", async () => {
        const { files } = subject.client;
        const read = async (path: string) => {
          const file = await files.read({ sandboxId: id, path }, NEVER);
          return { ...file, content: await text(file.content) };
        };
        const at = "2024-05-06T07:08:09.000Z";
        await files.write(
          { sandboxId: id, path: "moved/one.txt", mode: "640", modifiedAt: at },
          each([Buffer.from("one")]),
          NEVER,
        );
        const one = await read("moved/one.txt");
        expect(one).toMatchObject({ content: "one", size: 3 });
        expect([Number.parseInt(one.mode ?? "", 8), Date.parse(one.modifiedAt ?? "")]).toEqual([0o640, Date.parse(at)]);
        expect(await codeOf(read("moved/absent"))).toBe("file_not_found");
        expect(await codeOf(read("moved"))).toBe("invalid_path");
        const archive = await files.read({ sandboxId: id, path: "moved", archive: "tar" }, NEVER);
        const members: string[] = [];
        for await (const { path, content } of readArchive(archive.content)) members.push(path + (await text(content)));
        expect(members).toEqual(["moved/", "moved/one.txtone"]);
        expect(await codeOf(files.read({ sandboxId: id, path: "moved/one.txt", archive: "tar" }, NEVER))).toBe(
          "invalid_path",
        );

        const again = await files.read({ sandboxId: id, path: "moved", archive: "tar" }, NEVER);
        await files.write({ sandboxId: id, path: "unpacked/here", archive: "tar" }, again.content, NEVER);
        expect(await read("unpacked/here/moved/one.txt")).toMatchObject({ content: "one", modifiedAt: one.modifiedAt });
        const none = { sandboxId: id, path: "unpacked", archive: "tar" } as const;
        expect(await codeOf(files.write(none, each([Buffer.alloc(1024, "no")]), NEVER))).toBe("invalid_request");
        const onFile = { sandboxId: id, path: "moved/one.txt", archive: "tar" } as const;
        expect(await codeOf(files.write(onFile, each([ARCHIVE_END]), NEVER))).toBe("invalid_path");

        await agent().writeFile({ sandboxId: id, path: "moved/two.txt", content: Buffer.from("two") });
        const { content } = await agent().readFile({ sandboxId: id, path: "moved/two.txt" });
        expect(Buffer.from(content).toString()).toBe("two");
        const { size } = await agent().streamWriteFile(
          each<MessageInitShape<typeof StreamWriteFileRequestSchema>>([
            { message: { case: "meta", value: { sandboxId: id, path: "moved/three.txt" } } },
            { message: { case: "chunk", value: Buffer.from("thr") } },
            { message: { case: "chunk", value: Buffer.from("ee") } },
            { message: { case: "end", value: {} } },
          ]),
        );
        expect(size).toBe(5n);
        let three = "";
        for await (const { message } of agent().streamReadFile({ sandboxId: id, path: "moved/three.txt" })) {
          if (message.case === "meta") expect(message.value.size).toBe(5n);
          else if (message.case === "chunk") three += Buffer.from(message.value).toString();
        }
        expect(three).toBe("three");
        expect(await codeOf(agent().readFile({ sandboxId: id, path: "moved/absent" }))).toBe("file_not_found");
      });

      it("lists, describes, moves and removes files", async () => {
        const path = (name: string) => ({ sandboxId: id, path: `tree${name}` });
        await agent().makeDirectory({ ...path("/deep"), parents: true });
        expect(await codeOf(agent().makeDirectory(path("/deep")))).toBe("already_exists");
        expect(await shell(id, "cd tree && echo x > a && echo x > b && ln -s a c && ls")).toBe("a\nb\nc\ndeep\n");
        const list = { ...path(""), depth: 1, limit: 2, after: "" };
        const { entries, truncated } = await agent().listFiles(list);
        expect([entries.map((entry) => entry.name), truncated]).toEqual([["a", "b"], true]);
        const rest = await agent().listFiles({ ...list, limit: 100, after: entries[1]!.path });
        expect(rest.entries.map((entry) => [entry.name, entry.type, entry.target])).toEqual([
          ["c", "symlink", "a"],
          ["deep", "directory", ""],
        ]);
        expect((await agent().statFile(path("/a"))).entry).toMatchObject({ name: "a", type: "file", size: 2n });
        const { entry } = await agent().moveFile({ ...path("/a"), destination: "tree/deep/" });
        expect(entry).toMatchObject({ name: "a", type: "file" });
        expect(await codeOf(agent().moveFile({ ...path("/a"), destination: "tree/z" }))).toBe("file_not_found");
        expect(await codeOf(agent().removeFile(path("/deep")))).toBe("conflict");
        await agent().removeFile({ ...path("/deep"), recursive: true });
        expect(await codeOf(agent().statFile(path("/deep")))).toBe("file_not_found");
        expect(await codeOf(agent().listFiles({ ...list, ...path("/deep") }))).toBe("file_not_found");
      });
    });

    describeProcesses(agent, create);

    it("calls about a sandbox that there is not say so", async () => {
      const sandboxId = newSandboxId();
      const one = { sandboxId, path: "x" };
      const calls = [
        agent().pauseSandbox({ sandboxId }),
        agent().resumeSandbox({ sandboxId }),
        agent().updateSandbox({ sandboxId, spec: {} }),
        agent().rollbackSandbox({ sandboxId }),
        agent().forkSandbox({ sandboxId, forkIds: [newSandboxId()] }),
        agent().createTemplate({ sandboxId, teamId: TEAM, name: "x" }),
        agent().pingSandbox({ sandboxId }),
        agent().exec({ sandboxId, command: { cmd: "true" } }),
        agent().statFile(one),
        agent().readFile(one),
        subject.client.files.read(one, NEVER),
      ];
      expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => "not_found"));
    });

    it("a paused sandbox takes no call, and goes on where it stood", async () => {
      const { sandboxId } = await create({ timeoutSec: 3600 });
      expect(await codeOf(agent().rollbackSandbox({ sandboxId }))).toBe("invalid_state");
      await shell(sandboxId, "echo kept > kept");
      for (let round = 0; round < 2; round++) {
        const { sandbox } = await agent().pauseSandbox({ sandboxId });
        expect(sandbox).toMatchObject({ sandboxId, status: SandboxStatus.PAUSED, hostIp: "" });
        expect(sandbox?.diskBytes).toBeGreaterThan(0n);
        expect(sandbox?.reason).toBeUndefined();
      }
      const refused = [
        agent().exec({ sandboxId, command: { cmd: "true" } }),
        agent().pingSandbox({ sandboxId }),
        agent().statFile({ sandboxId, path: "kept" }),
        subject.client.files.read({ sandboxId, path: "kept" }, NEVER),
        agent().forkSandbox({ sandboxId, forkIds: [newSandboxId()] }),
      ];
      expect(await Promise.all(refused.map(codeOf))).toEqual(refused.map(() => "invalid_state"));
      const updated = await agent().updateSandbox({ sandboxId, spec: { autoResume: true } });
      expect(updated.sandbox).toMatchObject({ status: SandboxStatus.PAUSED, spec: { autoResume: true } });
      const { sandbox } = await agent().resumeSandbox({ sandboxId, timeoutSec: 60 });
      expect(sandbox).toMatchObject({ status: SandboxStatus.RUNNING, spec: { timeoutSec: 60, autoResume: true } });
      expect(sandbox?.hostIp).not.toBe("");
      expect(await shell(sandboxId, "cat kept; echo lost > kept")).toBe("kept\n");
      const back = await agent().rollbackSandbox({ sandboxId });
      expect(back.sandbox?.status).toBe(SandboxStatus.PAUSED);
      await agent().resumeSandbox({ sandboxId });
      expect(await shell(sandboxId, "cat kept")).toBe("kept\n");
      await destroy(sandboxId);
    });

    it("a sandbox that was destroyed is no longer there, and may be destroyed again, as one that never was", async () => {
      const { sandboxId } = await create();
      await destroy(sandboxId);
      const { sandboxes } = await agent().listSandboxes({});
      expect(sandboxes.map((sandbox) => sandbox.sandboxId)).not.toContain(sandboxId);
      await destroy(sandboxId, newSandboxId());
    });

    it("copies have what their source had, and are settled one by one", async () => {
      const { sandboxId } = await create({ timeoutSec: 3600, autoResume: true });
      await shell(sandboxId, "echo shared > file");
      const forkIds = [newSandboxId(), newSandboxId(), newSandboxId()];
      const { results } = await agent().forkSandbox({ sandboxId, forkIds });
      expect(results.map((result) => result.sandboxId)).toEqual(forkIds);
      for (const { result } of results) {
        expect(result.case).toBe("sandbox");
        if (result.case !== "sandbox") continue;
        const spec = { template: subject.template, vcpus: 1, memoryMb: 128, timeoutSec: 3600, autoResume: true };
        expect(result.value).toMatchObject({ status: SandboxStatus.RUNNING, teamId: TEAM, spec });
      }
      expect(await shell(forkIds[0]!, "cat file; echo mine > file; echo $COLOUR")).toBe("shared\nblue\n");
      expect(await shell(sandboxId, "cat file")).toBe("shared\n");
      expect(await codeOf(agent().forkSandbox({ sandboxId, forkIds: [] }))).toBe("invalid_request");
      await destroy(sandboxId, ...forkIds);
    });

    it("templates are made of sandboxes and outlive them", async () => {
      const { sandboxId } = await create();
      await shell(sandboxId, "echo frozen > file");
      const named = { teamId: TEAM, name: "contract" };
      const { template } = await agent().createTemplate({ sandboxId, ...named });
      expect(template).toMatchObject({ ...named, type: "snapshot", vcpus: 1, memoryMb: 128 });
      expect(template?.sizeBytes).toBeGreaterThan(0n);
      expect(template?.createdAtUnixMs).toBeGreaterThan(0n);
      expect(await codeOf(agent().createTemplate({ sandboxId, ...named }))).toBe("already_exists");
      expect((await agent().createTemplate({ sandboxId, ...named, overwrite: true })).template?.name).toBe("contract");
      await destroy(sandboxId);
      const started = await create({ template: "contract" });
      expect(started.spec?.template).toBe("contract");
      expect(await shell(started.sandboxId, "cat file")).toBe("frozen\n");
      const snapshotId = template!.snapshotId;
      expect(snapshotId).toMatch(/^[0-9a-f]{32}$/);
      // The first was replaced: only the one that has the name now goes.
      expect(await codeOf(agent().deleteTemplate({ ...named, snapshotId }))).toBe("template_not_found");
      await agent().deleteTemplate(named);
      expect(await codeOf(agent().deleteTemplate(named))).toBe("template_not_found");
      await destroy(started.sandboxId);
    });

    it("a sandbox that nothing uses is paused, its watchers are told, and it is listed as one of those", async () => {
      const over = new AbortController();
      const changes = agent().watchSandboxes({}, { signal: over.signal })[Symbol.asyncIterator]();
      expect((await changes.next()).value?.sandboxIds).toEqual([]);
      const { sandboxId } = await create({ timeoutSec: 1, onTimeout: "pause" });
      await subject.passInactivity(sandboxId);
      let told: string[] = [];
      const isPaused = async () => (await agent().listSandboxes({})).autoPausedSandboxIds.includes(sandboxId);
      while (!told.includes(sandboxId) || !(await isPaused())) told = (await changes.next()).value?.sandboxIds ?? [];
      const { sandboxes } = await agent().listSandboxes({});
      const listed = sandboxes.find((sandbox) => sandbox.sandboxId === sandboxId);
      expect(listed).toMatchObject({ status: SandboxStatus.PAUSED, reason: { code: "inactivity" } });
      over.abort();
      for (const { sandbox } of [
        await agent().pauseSandbox({ sandboxId }),
        await agent().rollbackSandbox({ sandboxId }),
      ]) {
        expect(sandbox).toMatchObject({ status: SandboxStatus.PAUSED, reason: { code: "inactivity" } });
      }
      const { sandbox } = await agent().resumeSandbox({ sandboxId, timeoutSec: 0 });
      expect(sandbox?.reason).toBeUndefined();
      expect((await agent().listSandboxes({})).autoPausedSandboxIds).not.toContain(sandboxId);
      await destroy(sandboxId);
    });

    it("what a sandbox uses is given until it is acknowledged", async () => {
      const { sandboxId } = await create();
      await shell(sandboxId, "seq 20000 | sort -R >/dev/null");
      await subject.measure(sandboxId);
      const collect = async (acknowledged?: Awaited<ReturnType<HostClient["agent"]["collectMetrics"]>>["cursor"]) => {
        const answer = await agent().collectMetrics(acknowledged ? { acknowledged } : {});
        const isIts = (of: { sandboxId: string }) => of.sandboxId === sandboxId;
        return { ...answer, points: answer.points.filter(isIts), usage: answer.usage.filter(isIts) };
      };
      const used = ({ points, usage }: Awaited<ReturnType<typeof collect>>) =>
        points.some(({ cpuUs }) => cpuUs > 0n) && usage.some(({ cpuUs, memoryMbMs }) => cpuUs > 0n && memoryMbMs > 0n);
      await expect.poll(async () => used(await collect()), { timeout: 60_000 }).toBe(true);
      const { points, usage, cursor } = await collect();
      for (const { atUnixMs, vmmMemoryBytes, diskBytes } of points) {
        expect(Math.abs(Number(atUnixMs) - Date.now())).toBeLessThan(600_000);
        expect(vmmMemoryBytes).toBeGreaterThan(0n);
        expect(diskBytes).toBeGreaterThan(0n);
      }
      for (const { teamId, day } of usage)
        expect([teamId, day]).toEqual([TEAM, expect.stringMatching(/^\d{4}-\d\d-\d\d$/)]);
      // Another call has acknowledged nothing, nor has one that names the ledger of another host.
      const again = await collect({ ...cursor!, ledger: "another" });
      expect(again.points.slice(0, points.length)).toEqual(points);
      await collect(cursor);
      const after = await collect();
      const known = new Set(points.map(({ atUnixMs }) => atUnixMs));
      expect(after.points.filter(({ atUnixMs }) => known.has(atUnixMs))).toEqual([]);
      await destroy(sandboxId);
    });

    it("registers with a control plane, and shows it what that has given", async () => {
      const [hostId, taken] = ["host-0000000000000000000000001", [] as unknown[][]];
      const server = createServer(async (request, response) => {
        const body = JSON.parse(await text(request));
        taken.push([request.url, request.headers["x-host-token"], body.token, body.cpu_cores > 0]);
        const given = { host: { id: hostId }, token: "shown", refresh_token: "f".repeat(64) };
        const isNew = request.url === "/v1/hosts/register";
        response.writeHead(isNew ? 201 : 204, { "content-type": "application/json" });
        response.end(isNew ? JSON.stringify(given) : undefined);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const controlPlaneUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const join = (token: string) => agent().joinControlPlane({ controlPlaneUrl, hostId, token });
      expect((await join("")).joined).toBe(false);
      expect((await join("once")).joined).toBe(true);
      expect((await join("")).joined).toBe(true);
      server.close();
      expect(taken).toEqual([
        ["/v1/hosts/register", undefined, "once", true],
        [`/v1/hosts/${hostId}/heartbeat`, "shown", undefined, true],
      ]);
    });

    it("the host describes itself", async () => {
      const host = await agent().getHost({});
      for (const figure of [host.cpuCores, host.memoryMb, host.diskGb]) expect(figure).toBeGreaterThan(0);
      expect(host.arch).toMatch(/^(amd64|arm64)$/);
      expect(host.accelerator).toMatch(/^(kvm|tcg)$/);
      expect(host.version).not.toBe("");
      const base = host.templates.find((template) => template.name === subject.template);
      expect(base).toMatchObject({ teamId: "", type: "base" });
      for (const figure of [base!.vcpus, base!.memoryMb]) expect(figure).toBeGreaterThan(0);
      expect(base!.sizeBytes).toBeGreaterThan(0n);
    });
  });
}

/** Code of the error of the catalogue that a call fails with. */
async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "no error",
    (error: unknown) => fromRpcError(error).code,
  );
}

/** Messages of a client that stays: whoever ends its side has left. */
async function* stay<T>(messages: T[]): AsyncGenerator<T> {
  yield* messages;
  await new Promise(() => undefined);
}

async function* each<T>(messages: T[]): AsyncGenerator<T> {
  yield* messages;
}
