import { setTimeout as delay } from "node:timers/promises";
import { LIMITS } from "@warren/contracts/limits";
import { BoundedBytes } from "../../guest/bounded-bytes.ts";
import type { GuestClient } from "../../guest/client.ts";
import type { CommandEvent } from "../../guest/command-stream.ts";
import { type CommandTarget, type GuestCommand, unlessEnded } from "../../guest/commands.ts";
import type { CommandExit } from "../../guest/exit.ts";
import type { ListedCommand } from "../../guest/listed-command.ts";
import type { Sandbox } from "../state/sandbox.ts";
import { StandardInput } from "./standard-input.ts";

/** Milliseconds that the processes of a command have, when its caller has gone, to end, or to read what they were given. */
const GRACE_MS = 5_000;

/** Output and end of a command that was run to its end. */
export interface CommandResult extends CommandExit {
  stdout: Buffer;
  stderr: Buffer;
  stdoutTruncated: boolean;
  stderrTruncated: boolean;
}

/** Input of a running command. */
export type CommandInput =
  | { type: "stdin"; data: Uint8Array }
  | { type: "close_stdin" }
  | { type: "signal"; number: number }
  | { type: "time_limit"; timeoutMs: number }
  | { type: "resize"; cols: number; rows: number };

/**
 * Runs a command to its end. Output beyond `limit` bytes per stream is read and dropped, and the result says so. A guest
 * decides how long what is held of it is held: all of it together is bounded.
 */
export async function runCommand(
  sandbox: Sandbox,
  command: GuestCommand,
  stdin: Uint8Array | undefined,
  limit: number = LIMITS.execOutputBytes,
  caller?: AbortSignal,
): Promise<CommandResult> {
  const stdout = new BoundedBytes(limit);
  const stderr = new BoundedBytes(limit);
  const truncated = { stdout: false, stderr: false };
  const held = sandbox.bounds.hold(sandbox.record);
  // The guest decides how long the end of a command takes that nobody waits for.
  const letGo = () => {
    stdout.drop();
    stderr.drop();
    held.release();
  };
  try {
    const input = stdin ? stdinOnce(stdin) : undefined;
    for await (const event of streamCommand(sandbox, command, input, caller, letGo)) {
      if (event.type === "stdout" || event.type === "stderr") {
        const output = event.type === "stdout" ? stdout : stderr;
        const taken = output.add(event.data);
        held.add(taken);
        if (taken < event.data.length) truncated[event.type] = true;
      } else if (event.type === "ended") {
        const { type: _, ...exit } = event;
        return {
          ...exit,
          stdout: stdout.whole(),
          stderr: stderr.whole(),
          stdoutTruncated: truncated.stdout,
          stderrTruncated: truncated.stderr,
        };
      }
    }
  } finally {
    held.release();
  }
  throw caller?.reason ?? new Error("the command gave no end");
}

/** What a streamed command says, and how much of its input it has been given since that was said last. */
export type StreamEvent = CommandEvent | { type: "stdin_taken"; bytes: number };

/**
 * Runs a command, feeds it `input` and yields what it says. When the caller stops reading or `caller` aborts before the
 * end, the command is ended, unless it is to live on in the background; `onGivenUp` is called before that.
 */
export function streamCommand(
  sandbox: Sandbox,
  command: GuestCommand,
  input?: AsyncIterable<CommandInput>,
  caller?: AbortSignal,
  onGivenUp: () => void = () => undefined,
): AsyncGenerator<StreamEvent> {
  const endsWithCaller = !command.background;
  const open = (guest: GuestClient, signal: AbortSignal) => guest.commands.run(command, signal);
  return follow(sandbox, open, { input, caller, endsWithCaller, onGivenUp });
}

/**
 * Joins a command, feeds it `input` and yields what it says, with what is kept of its output `from` that many bytes on at
 * first; undefined = what comes from now on. It lives on when the caller leaves.
 */
export function attachCommand(
  sandbox: Sandbox,
  target: CommandTarget,
  from: bigint | undefined,
  input?: AsyncIterable<CommandInput>,
  caller?: AbortSignal,
): AsyncGenerator<StreamEvent> {
  const open = (guest: GuestClient, signal: AbortSignal) => guest.commands.attach(target, from, signal);
  return follow(sandbox, open, { input, caller, endsWithCaller: false, onGivenUp: () => undefined });
}

/** Starts a command in the background; resolves with its process id when it runs. */
export async function startCommand(sandbox: Sandbox, command: GuestCommand, caller?: AbortSignal): Promise<number> {
  for await (const event of streamCommand(sandbox, { ...command, background: true }, undefined, caller)) {
    if (event.type === "started") return event.pid;
  }
  throw caller?.reason ?? new Error("the command gave no start");
}

/** Yields at once, and then whenever that list is another, until the caller leaves. It is no activity. */
export function watchCommands(sandbox: Sandbox, caller: AbortSignal): AsyncGenerator<void> {
  return sandbox.follow((guest, gone) => guest.commands.watch(AbortSignal.any([caller, gone])));
}

/**
 * The commands of a sandbox: those that live, and those of the background that ended a while ago; of many the newest, and the one
 * that `only` names. It is no activity.
 */
export async function listCommands(
  sandbox: Sandbox,
  caller: AbortSignal,
  only?: CommandTarget,
): Promise<ListedCommand[]> {
  const held = sandbox.bounds.hold(sandbox.record);
  try {
    return await sandbox.look((guest, gone) => guest.commands.list(AbortSignal.any([caller, gone]), held.add, only));
  } finally {
    held.release();
  }
}

/** Sends a signal to a command, with `killAfterMs` as an order to end. Throws `process_not_found` when it has ended. */
export function signalCommand(
  sandbox: Sandbox,
  target: CommandTarget,
  number: number,
  killAfterMs: number,
): Promise<void> {
  return sandbox.useOnce((guest) => guest.commands.signal(target, number, killAfterMs));
}

interface Caller {
  input: AsyncIterable<CommandInput> | undefined;
  caller: AbortSignal | undefined;
  /** Whether the command ends when the caller leaves. */
  endsWithCaller: boolean;
  /** The caller has left before the end. */
  onGivenUp: () => void;
}

async function* follow(
  sandbox: Sandbox,
  open: (guest: GuestClient, signal: AbortSignal) => AsyncGenerator<CommandEvent>,
  { input, caller, endsWithCaller, onGivenUp }: Caller,
): AsyncGenerator<StreamEvent> {
  yield* sandbox.use(async function* (guest, gone) {
    const left = new AbortController();
    const over = new AbortController();
    const events = open(guest, AbortSignal.any([gone, left.signal, ...(caller ? [caller] : [])]));
    const news = new News(events);
    let stdin: StandardInput | undefined;
    let pid = 0;
    let ended = false;
    try {
      while (!ended) {
        const event = await news.next();
        if (event === undefined) return;
        if (event.type === "started") {
          pid = event.pid;
          if (input) {
            stdin = new StandardInput(guest, pid, event.terminal, {
              stop: over.signal,
              onTaken: (bytes) => news.taken(bytes),
            });
            // Who joined a command leaves it by the end of their input.
            feedInput(guest, pid, input, stdin, over.signal).then(
              () => endsWithCaller || news.end(),
              () => undefined,
            );
          }
        }
        ended = event.type === "ended";
        yield event;
      }
    } finally {
      left.abort();
      if (!ended) onGivenUp();
      await events.return(undefined).catch(() => undefined);
      // Whoever comes next types behind what this caller has typed.
      if (stdin && !ended && !endsWithCaller) {
        const limit = delay(GRACE_MS, undefined, { signal: AbortSignal.any([gone, over.signal]) });
        await Promise.race([stdin.leave(), limit.catch(() => undefined)]);
      }
      over.abort();
      // A caller may have left because the guest is silent.
      const hear = (answer: Promise<void>) =>
        answer.then(
          () => sandbox.heard(),
          (error: unknown) => sandbox.heard(error),
        );
      if (!ended && !gone.aborted) {
        if (pid && endsWithCaller) await hear(guest.commands.end(pid, GRACE_MS));
        else if (caller?.aborted) void hear(guest.health());
      }
    }
  });
}

/** What a guest says of a command and what the command has taken of its input, as it comes. */
class News {
  readonly #events: AsyncGenerator<CommandEvent>;
  /** The guest has been asked for its next event. */
  #asked = false;
  #answer: { result: IteratorResult<CommandEvent> } | { error: unknown } | undefined;
  #takenBytes = 0;
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(events: AsyncGenerator<CommandEvent>) {
    this.#events = events;
  }

  /** The command has been given so much of its input. */
  taken(bytes: number): void {
    this.#takenBytes += bytes;
    this.#wake();
  }

  /** Nobody wants more of them. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** The next event; undefined when there are no more. */
  async next(): Promise<StreamEvent | undefined> {
    if (!this.#asked) this.#ask();
    // Not a race of promises: one that is long in coming would keep every other that it raced against.
    while (!this.#answer && this.#takenBytes === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#isOver) return undefined;
    const answer = this.#answer;
    if (!answer) {
      const bytes = this.#takenBytes;
      this.#takenBytes = 0;
      return { type: "stdin_taken", bytes };
    }
    this.#asked = false;
    this.#answer = undefined;
    if ("error" in answer) throw answer.error;
    return answer.result.done ? undefined : answer.result.value;
  }

  #ask(): void {
    this.#asked = true;
    this.#events.next().then(
      (result) => this.#hear({ result }),
      (error: unknown) => this.#hear({ error }),
    );
  }

  #hear(answer: { result: IteratorResult<CommandEvent> } | { error: unknown }): void {
    this.#answer = answer;
    this.#wake();
  }
}

/**
 * Passes input on. Standard input keeps its order; signals and the like overtake what of it the process has yet to read. A
 * process that closed its input or ended makes the rest of it void: the end event tells the caller what became of the
 * command, as a shell does with a broken pipe.
 */
async function feedInput(
  guest: GuestClient,
  pid: number,
  input: AsyncIterable<CommandInput>,
  stdin: StandardInput,
  stop: AbortSignal,
): Promise<void> {
  for await (const message of input) {
    if (stop.aborted) return;
    switch (message.type) {
      case "stdin":
        await stdin.push(message.data);
        break;
      case "close_stdin":
        stdin.close();
        break;
      case "signal":
        await guest.commands.signal({ pid }, message.number).catch(unlessEnded);
        break;
      case "time_limit":
        await guest.commands.limit(pid, message.timeoutMs);
        break;
      case "resize":
        await guest.commands.resize(pid, message);
        break;
    }
  }
}

async function* stdinOnce(data: Uint8Array): AsyncGenerator<CommandInput> {
  if (data.length > 0) yield { type: "stdin", data };
  yield { type: "close_stdin" };
}
