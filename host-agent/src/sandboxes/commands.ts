import { LIMITS } from "@warren/contracts/limits";
import { BoundedBytes } from "../guest/bounded-bytes.ts";
import type { CommandEvent, GuestClient, GuestCommand } from "../guest/client.ts";
import type { CommandExit } from "../guest/exit.ts";
import type { GuestInput } from "../guest/input.ts";
import type { Sandbox } from "./sandbox.ts";

/** Bytes of standard input that travel in one request to the guest agent. */
const INPUT_CHUNK = 256 * 1024;

/** Milliseconds that the processes of a command have to end when its caller has gone. */
const GRACE_MS = 5_000;

/** Output and end of a command that was run to its end. */
export interface CommandResult extends CommandExit {
  stdout: Buffer;
  stderr: Buffer;
  stdoutTruncated: boolean;
  stderrTruncated: boolean;
}

/** Input of a running command, in the order in which the caller sends it. */
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
  try {
    for await (const event of streamCommand(sandbox, command, stdin ? stdinOnce(stdin) : undefined, caller)) {
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

/**
 * Runs a command, feeds it `input` and yields what it says. When the caller stops reading or `caller` aborts before the
 * end, the command is ended.
 */
export async function* streamCommand(
  sandbox: Sandbox,
  command: GuestCommand,
  input?: AsyncIterable<CommandInput>,
  caller?: AbortSignal,
): AsyncGenerator<CommandEvent> {
  yield* sandbox.use(async function* (guest, gone) {
    const signal = caller ? AbortSignal.any([caller, gone]) : gone;
    let pid = 0;
    let ended = false;
    const feeding = new AbortController();
    let feed: Promise<void> = Promise.resolve();
    try {
      for await (const event of guest.run(command, signal)) {
        if (event.type === "started") {
          pid = event.pid;
          if (input) {
            feed = feedInput(guest, pid, input, command.terminal !== undefined, feeding.signal);
            feed.catch(() => undefined);
          }
        }
        if (event.type === "ended") ended = true;
        yield event;
      }
    } finally {
      feeding.abort();
      if (pid && !ended && !gone.aborted) await guest.end(pid, GRACE_MS).catch(() => undefined);
    }
  });
}

/**
 * Passes input on in order. A process that closed its input or ended makes the rest of it void: the end event tells the
 * caller what became of the command, as a shell does with a broken pipe.
 */
async function feedInput(
  guest: GuestClient,
  pid: number,
  input: AsyncIterable<CommandInput>,
  terminal: boolean,
  stop: AbortSignal,
): Promise<void> {
  const stdin = new StandardInput(guest, pid, terminal, stop);
  for await (const message of input) {
    if (stop.aborted) return;
    switch (message.type) {
      case "stdin":
        await stdin.write(message.data);
        break;
      case "close_stdin":
        await stdin.close();
        break;
      case "signal":
        await guest.signal(pid, message.number);
        break;
      case "time_limit":
        await guest.limit(pid, message.timeoutMs);
        break;
      case "resize":
        await guest.resize(pid, message);
        break;
    }
  }
}

/** The standard input of a running command. What it does not take is dropped. */
class StandardInput {
  readonly #guest: GuestClient;
  readonly #pid: number;
  readonly #terminal: boolean;
  readonly #stop: AbortSignal;
  #stream: Promise<GuestInput | undefined> | undefined;
  #open = true;

  constructor(guest: GuestClient, pid: number, terminal: boolean, stop: AbortSignal) {
    this.#guest = guest;
    this.#pid = pid;
    this.#terminal = terminal;
    this.#stop = stop;
  }

  /** Resolves when more may follow. */
  async write(data: Uint8Array): Promise<void> {
    if (!this.#open) return;
    this.#stream ??= this.#guest.openInput(this.#pid, this.#stop);
    try {
      const stream = await this.#stream;
      if (stream) this.#open = await stream.write(data);
      else await this.#sendPieces(data);
    } catch {
      this.#open = false;
    }
  }

  async close(): Promise<void> {
    this.#open = false;
    const stream = await this.#stream?.catch(() => undefined);
    await stream?.end();
    await this.#guest.closeStdin(this.#pid).catch(() => undefined);
  }

  /** One call for each piece. */
  async #sendPieces(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length && !this.#stop.aborted; at += INPUT_CHUNK) {
      await this.#guest.sendInput(this.#pid, data.subarray(at, at + INPUT_CHUNK), this.#terminal);
    }
  }
}

async function* stdinOnce(data: Uint8Array): AsyncGenerator<CommandInput> {
  if (data.length > 0) yield { type: "stdin", data };
  yield { type: "close_stdin" };
}
