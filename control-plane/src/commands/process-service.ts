import { setTimeout as delay } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { WarrenError } from "@warren/contracts/errors";
import type { ListProcessesRequestSchema, ProcessInfo } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { ExecRequest } from "@warren/contracts/rest/commands";
import type { Process, StartedProcess } from "@warren/contracts/rest/processes";
import { SIGNALS, type SignalName } from "@warren/contracts/signals";
import type { SandboxEvents } from "../audit/sandbox-events.ts";
import type { Caller } from "../callers/caller.ts";
import { textOfHostTime } from "../date-time.ts";
import type { SandboxAccess } from "../sandboxes/sandbox-access.ts";
import { outOfMemory } from "./command-service.ts";
import { guestCommand } from "./guest-command.ts";
import { selectorOf } from "./process-selector.ts";

/** Milliseconds that the processes of a command have after SIGTERM, when it is to end. */
const GRACE_MS = 5000;
/** Milliseconds between two words to who watches the commands of a sandbox. */
const WATCH_GAP_MS = 250;

/** The commands of sandboxes as things that have names: started in the background, listed, sent signals, ended. */
export class ProcessService {
  readonly #access: SandboxAccess;
  readonly #audit: SandboxEvents;

  constructor(access: SandboxAccess, audit: SandboxEvents) {
    this.#access = access;
    this.#audit = audit;
  }

  /** Starts a command in the background; what comes of it is there for whoever attaches. */
  async start(caller: Caller, sandboxId: string, request: ExecRequest): Promise<StartedProcess> {
    const { terminal, tag = "" } = request;
    const call = { sandboxId, command: guestCommand(request), tag, ...(terminal && { terminal, stdin: true }) };
    const { pid } = await this.#access.use(caller, sandboxId, async ({ agent }) => {
      const recorded = this.#audit.commandStarted(caller, sandboxId, request);
      return await agent.startProcess(call).finally(() => recorded);
    });
    return { pid, ...(tag !== "" && { tag }) };
  }

  /** All commands that the sandbox knows, in the order in which they were started. */
  list(caller: Caller, sandboxId: string): Promise<Process[]> {
    return this.#list(caller, { sandboxId });
  }

  /**
   * Calls `tell` at once, and then whenever that list is another, at most four times a second however often the host says so,
   * until `signal` aborts. Always ends with an error: when the sandbox stops running, with `invalid_state`.
   */
  async watch(caller: Caller, sandboxId: string, tell: () => Promise<void>, signal: AbortSignal): Promise<void> {
    await this.#access.look(caller, sandboxId, async ({ agent }) => {
      for await (const _ of agent.watchProcesses({ sandboxId }, { signal })) {
        await tell();
        await delay(WATCH_GAP_MS, undefined, { signal });
      }
      throw new WarrenError("agent_error", "the sandbox's host tells of its commands no more");
    });
  }

  /** One command by its process id or tag. Of several that had the tag, it is the one that lives or else the newest. */
  async get(caller: Caller, sandboxId: string, process: string): Promise<Process> {
    const named = selectorOf(process);
    const { selector } = named;
    const found = (await this.#list(caller, { sandboxId, process: named })).filter(
      (one) => one[selector.case] === selector.value,
    );
    const meant = found.findLast(({ exit }) => exit === undefined) ?? found.at(-1);
    if (meant) return meant;
    throw new WarrenError("process_not_found", `sandbox ${sandboxId} has no command ${process}`);
  }

  /** Sends a signal to a command that lives. */
  async signal(caller: Caller, sandboxId: string, process: string, signal: SignalName): Promise<void> {
    await this.#send(caller, sandboxId, process, { signal: SIGNALS[signal], killAfterMs: 0 });
    await this.#audit.processSignalled(caller, sandboxId, { process, signal });
  }

  /** Has a command that lives, and all its processes, end: by SIGTERM, and what is left of it a while later by SIGKILL. */
  async end(caller: Caller, sandboxId: string, process: string): Promise<void> {
    await this.#send(caller, sandboxId, process, { signal: SIGNALS.SIGTERM, killAfterMs: GRACE_MS });
    await this.#audit.processEnded(caller, sandboxId, { process });
  }

  async #list(caller: Caller, request: MessageInitShape<typeof ListProcessesRequestSchema>): Promise<Process[]> {
    const { processes } = await this.#access.look(caller, request.sandboxId ?? "", ({ agent }) =>
      agent.listProcesses(request),
    );
    return processes.map(toProcess);
  }

  async #send(caller: Caller, sandboxId: string, process: string, order: { signal: number; killAfterMs: number }) {
    const call = { sandboxId, process: selectorOf(process), ...order };
    await this.#access.use(caller, sandboxId, ({ agent }) => agent.signalProcess(call));
  }
}

function toProcess(info: ProcessInfo): Process {
  const { pid, tag, cmd, args, cwd, user, terminal, background, ended } = info;
  return {
    pid,
    ...(tag !== "" && { tag }),
    cmd,
    args,
    ...(cwd !== "" && { cwd }),
    user,
    started_at: textOfHostTime(info.startedAtUnixMs),
    terminal,
    background,
    output_bytes: Number(info.outputBytes),
    output_from: Number(info.outputFrom),
    cpu_ms: Number(info.cpuMs),
    memory_bytes: Number(info.memoryBytes),
    ...(ended && {
      exit: {
        exit_code: ended.exitCode,
        ...(ended.signal !== "" && { signal: ended.signal }),
        ...(ended.timedOut && { timed_out: true }),
        ...outOfMemory(ended),
        ended_at: textOfHostTime(info.endedAtUnixMs),
      },
    }),
  };
}
