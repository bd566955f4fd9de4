import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ExecEndedSchema, type HostAgentService } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { ListedCommand } from "../guest/listed-command.ts";
import { listCommands, signalCommand, startCommand, watchCommands } from "../sandboxes/calls/commands.ts";
import type { SandboxService } from "../sandboxes/service.ts";
import { commandTarget, guestCommand, signalNumber } from "./exec-stream.ts";

type ProcessCalls = "startProcess" | "listProcesses" | "watchProcesses" | "signalProcess";

/** The calls of the `hostagent` service that see to the commands of a sandbox, however they were started. */
export function processCalls(
  sandboxes: Pick<SandboxService, "awake" | "get">,
): Pick<ServiceImpl<typeof HostAgentService>, ProcessCalls> {
  return {
    async startProcess(request, { signal }) {
      const command = guestCommand(request.command, request);
      return { pid: await startCommand(await sandboxes.awake(request.sandboxId), command, signal) };
    },
    async listProcesses({ sandboxId, process }, { signal }) {
      // Whoever looks at a sandbox does not wake it.
      const commands = await listCommands(sandboxes.get(sandboxId), signal, process && commandTarget(process));
      return { processes: commands.map(processInfo) };
    },
    async *watchProcesses({ sandboxId }, { signal }) {
      for await (const _ of watchCommands(sandboxes.get(sandboxId), signal)) yield {};
    },
    async signalProcess(request) {
      const target = commandTarget(request.process);
      const number = signalNumber(request.signal);
      await signalCommand(await sandboxes.awake(request.sandboxId), target, number, request.killAfterMs);
      return {};
    },
  };
}

function processInfo({ exit, ...command }: ListedCommand) {
  return {
    ...command,
    startedAtUnixMs: BigInt(command.startedAt),
    outputBytes: BigInt(command.outputBytes),
    outputFrom: BigInt(command.outputFrom),
    cpuMs: BigInt(command.cpuMs),
    memoryBytes: BigInt(command.memoryBytes),
    endedAtUnixMs: BigInt(command.endedAt ?? 0),
    ...(exit && { ended: create(ExecEndedSchema, exit) }),
  };
}
