import type { Readable, Writable } from "node:stream";
import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import type { TerminalSize } from "@warren/contracts/rest/commands";
import { SIGNALS, type SignalName } from "@warren/contracts/signals";
import { Connection, type ExitStatus, type StartedFrame } from "./exec-connection.ts";
import type { Transport } from "./transport.ts";

/** Most characters of a terminal in each direction (`struct winsize` of ioctl_tty(2)). */
const MOST_CHARACTERS = 65_535;

/** What every command that others can find is started with. */
export interface CommandOptions {
  /** Environment variables, on top of those of the sandbox. */
  env?: Record<string, string>;
  /** Working directory; default: the home of the user. */
  cwd?: string;
  /** User of the image; default: the one of the sandbox. */
  user?: string;
  /** Seconds until the command is ended; default, and 0: no limit. */
  timeoutSec?: number;
  /** Name by which the command can be found; one that another command has, which lives, is refused. */
  tag?: string;
  /**
   * Run in a terminal of this size, in characters; `resize` changes it. Both outputs then arrive as `stdout`, and input is
   * what is typed: a line at a time, with ^C for SIGINT and ^D for its end.
   */
  terminal?: TerminalSize;
  signal?: AbortSignal;
}

/** What a command is started with. */
export interface StartOptions extends CommandOptions {
  /** Keep standard input open for `process.stdin`; default: it is at its end from the start. */
  stdin?: boolean;
  /** The command lives on when the connection ends, and its newest output is kept for `sandbox.processes.attach`. */
  background?: boolean;
  /** As for `AttachOptions`, of a command in the background. */
  reattach?: boolean;
}

/** How a command is joined. */
export interface AttachOptions {
  /**
   * Where in its output to begin: the number of bytes before, stdout and stderr together, such as the `offset` of an earlier
   * `SandboxProcess`. Default: with what comes from now on.
   */
  from?: number;
  /**
   * Attach again by itself when the connection breaks or the server does not answer, for up to two minutes: the streams then
   * go on where they were. Input that was under way at that moment may be lost.
   */
  reattach?: boolean;
  signal?: AbortSignal;
}

/**
 * A running command. Its output is held back, down to the command itself, while either stream is not read: read both,
 * or call `resume()` on the one of no interest.
 */
export class SandboxProcess {
  /** Process id inside the sandbox. */
  readonly pid: number;
  readonly tag?: string;
  /** It runs in a terminal. */
  readonly terminal: boolean;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Standard input; ending it closes it for the command. Throws away what is written unless the command takes input. */
  readonly stdin: Writable;
  /**
   * Resolves when the command has ended and all its output has arrived; rejects when the connection breaks. The streams of
   * one that goes on without its connection end with what had arrived.
   */
  readonly exit: Promise<ExitStatus>;
  readonly #connection: Connection;

  constructor(connection: Connection, { pid, tag, terminal }: StartedFrame) {
    this.#connection = connection;
    this.pid = pid;
    if (tag !== undefined) this.tag = tag;
    this.terminal = terminal ?? false;
    this.stdout = connection.stdout;
    this.stderr = connection.stderr;
    this.stdin = connection.stdin;
    this.exit = connection.exit;
  }

  /**
   * Number of bytes of its output, stdout and stderr together, up to the last that has arrived in the streams: where to attach
   * again, once both streams have been read to their ends, so that nothing is lost and nothing comes twice.
   */
  get offset(): number {
    return this.#connection.offset;
  }

  /** Bytes of its output that were asked for and not kept any more. */
  get dropped(): number {
    return this.#connection.dropped;
  }

  /** Sends a signal to the command. */
  kill(signal: SignalName = "SIGTERM"): void {
    if (!Object.hasOwn(SIGNALS, signal)) throw invalid(`${signal} is the name of no signal; one is SIGTERM`);
    this.#connection.send({ type: "signal", signal });
  }

  /** Sets a new time limit, which counts from now on; 0 = no limit. */
  setTimeLimit(seconds: number): void {
    const { min, max } = LIMITS.execTimeoutSec;
    requireWhole("a time limit in seconds", seconds, min, max);
    this.#connection.send({ type: "timeout", timeout_sec: seconds });
  }

  /** Changes the size of its terminal. */
  resize({ cols, rows }: TerminalSize): void {
    requireWhole("cols", cols, 1, MOST_CHARACTERS);
    requireWhole("rows", rows, 1, MOST_CHARACTERS);
    this.#connection.send({ type: "resize", cols, rows });
  }

  /**
   * Lets go of the connection; `exit` then rejects. That ends the command if it still runs, unless it is in the background or
   * was joined: it then gets what was written to `stdin` before.
   */
  close(): void {
    this.#connection.close();
  }
}

function requireWhole(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw invalid(`${what} must be a whole number from ${least} to ${most}, not ${value}`);
}

function invalid(message: string): WarrenError {
  return new WarrenError("invalid_request", message);
}

/** Starts a command over the WebSocket route `path` and resolves once it runs. */
export async function startProcess(
  transport: Transport,
  path: string,
  cmd: string,
  args: readonly string[],
  options: StartOptions,
): Promise<SandboxProcess> {
  const { stdin = false, background, signal, reattach = false } = options;
  const frame = {
    type: "start",
    ...commandFields(cmd, args, options),
    stdin,
    ...(background === undefined ? {} : { background }),
  } as const;
  const connection = new Connection(transport, path, frame, { stdin, reattach, signal });
  return new SandboxProcess(connection, await connection.started);
}

/** Joins a command, named by its process id or tag, over the WebSocket route `path`. */
export async function attachProcess(
  transport: Transport,
  path: string,
  process: string,
  { from, reattach = false, signal }: AttachOptions,
): Promise<SandboxProcess> {
  const frame = { type: "attach", process, ...(from === undefined ? {} : { from }) } as const;
  const connection = new Connection(transport, path, frame, { stdin: true, reattach, signal });
  return new SandboxProcess(connection, await connection.started);
}

/** A command as the API takes it. */
export function commandFields(cmd: string, args: readonly string[], options: CommandOptions) {
  const { env, cwd, user, timeoutSec, tag, terminal } = options;
  return {
    cmd,
    args: [...args],
    ...(env ? { env } : {}),
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    ...(timeoutSec === undefined ? {} : { timeout_sec: timeoutSec }),
    ...(tag === undefined ? {} : { tag }),
    ...(terminal ? { terminal } : {}),
  };
}
