import { Code, ConnectError } from "@connectrpc/connect";
import type { ProcessEvent, ProcessEvent_StartEvent } from "@warren/contracts/gen/process/process_pb";
import { SIGNALS } from "@warren/contracts/signals";
import { CommandDeadline } from "./command-deadline.ts";
import { unreachable } from "./errors.ts";
import { EventBounds } from "./event-bounds.ts";
import { type CommandExit, commandExit, exitBySignal } from "./exit.ts";
import { hostLoad } from "./host-load.ts";
import type { GuestLimits } from "./limits.ts";
import { type LivenessSigns, withLiveness } from "./liveness.ts";

/** What a command says while it runs. The first event is `started`, the last `ended`. */
export type CommandEvent =
  | CommandStart
  | { type: "stdout" | "stderr"; data: Uint8Array }
  | ({ type: "ended" } & CommandExit);

export interface CommandStart {
  type: "started";
  pid: number;
  /** Number of bytes of output, stdout and stderr together, before the first that comes. */
  offset: bigint;
  /** Empty = none. */
  tag: string;
  terminal: boolean;
}

/** A stream of a command that is about to be opened. */
export interface CommandStream {
  open: (signal: AbortSignal) => AsyncIterable<{ event?: ProcessEvent | undefined }>;
  /** What is passed on of its start. Throws when it is none that can be passed on. */
  started: (start: ProcessEvent_StartEvent) => CommandStart;
  /** The command's time limit, which began at the time `since` of `performance`; undefined = it is not known. */
  limit?: { timeoutMs: number; since: number };
}

/** Passes on what commands say, within bounds. */
export class CommandStreams {
  readonly #limits: GuestLimits;
  readonly #signs: LivenessSigns;
  /** Sets the time limit of each command anew that has streams, by process id. */
  readonly #deadlines = new Map<number, Set<CommandDeadline>>();

  constructor(limits: GuestLimits, signs: LivenessSigns) {
    this.#limits = limits;
    this.#signs = signs;
  }

  /** A command has been given another time limit, which counts from here; 0 = none. */
  setTimeLimit(pid: number, timeoutMs: number): void {
    for (const deadline of this.#deadlines.get(pid) ?? []) deadline.set(timeoutMs);
  }

  /** Aborting `signal` ends the stream, not the command. */
  async *follow(command: CommandStream, signal?: AbortSignal): AsyncGenerator<CommandEvent> {
    const abort = new AbortController();
    const stop = () => abort.abort(signal?.reason);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    const stream = command.open(abort.signal);
    const bounds = new EventBounds();
    let overdue: Error | undefined;
    const giveUp = (why: string) => {
      overdue = unreachable(new Error(why));
      abort.abort(overdue);
    };
    const late = setTimeout(() => giveUp("the command did not start"), this.#limits.startMs * hostLoad());
    const deadline = new CommandDeadline(this.#limits.endMs, () => {
      giveUp("the command was not ended when its time was up");
    });
    let pid = 0;
    try {
      for await (const { event } of withLiveness(stream, this.#signs, this.#limits, (reason) => abort.abort(reason))) {
        bounds.check(event);
        switch (event?.event.case) {
          case "start": {
            clearTimeout(late);
            const start = command.started(event.event.value);
            pid = start.pid;
            if (command.limit) deadline.set(command.limit.timeoutMs, command.limit.since);
            this.#add(pid, deadline);
            yield start;
            break;
          }
          case "data": {
            const { output } = event.event.value;
            deadline.suspend();
            if (output.case === "stderr") yield { type: "stderr", data: output.value };
            else if (output.case) yield { type: "stdout", data: output.value };
            deadline.resume();
            break;
          }
          case "end":
            // Of a command that somebody else started it is not known when its time is up.
            yield { type: "ended", ...commandExit(event.event.value, !command.limit || deadline.mayHavePassed) };
            return;
        }
      }
      throw unreachable(new Error("the stream ended before the command did"));
    } catch (error) {
      if (overdue) throw overdue;
      const saysLate = error instanceof ConnectError && error.code === Code.DeadlineExceeded;
      if (pid && saysLate && deadline.mayHavePassed) {
        yield { type: "ended", ...exitBySignal(SIGNALS.SIGKILL, true) };
        return;
      }
      throw error;
    } finally {
      clearTimeout(late);
      deadline.clear();
      this.#remove(pid, deadline);
      signal?.removeEventListener("abort", stop);
      abort.abort();
    }
  }

  #add(pid: number, deadline: CommandDeadline): void {
    const streams = this.#deadlines.get(pid) ?? new Set();
    this.#deadlines.set(pid, streams.add(deadline));
  }

  #remove(pid: number, deadline: CommandDeadline): void {
    const streams = this.#deadlines.get(pid);
    streams?.delete(deadline);
    if (streams?.size === 0) this.#deadlines.delete(pid);
  }
}
