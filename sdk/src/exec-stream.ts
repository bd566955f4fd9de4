import { Readable, Writable } from "node:stream";
import { isErrorCode, WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import {
  EXEC_SUBPROTOCOL,
  type ExecClientFrame,
  type ExecServerFrame,
  type ExecStartFrame,
  type OutOfMemory,
  STREAM_BYTE,
  type TerminalSize,
} from "@warren/contracts/rest/commands";
import { SIGNALS, type SignalName } from "@warren/contracts/signals";
import WebSocket, { type RawData } from "ws";
import { errorOf, unreachable } from "./errors.ts";
import type { Transport } from "./transport.ts";

/** Bytes of standard input in one frame; the server takes no larger ones than LIMITS.chunkBytes. */
const STDIN_FRAME_BYTES = 64 * 1024;

/** Milliseconds between signs of life while the connection is not read and so cannot answer the server's pings. */
const HEARTBEAT_MS = 5000;

/** Most characters of a terminal in each direction (`struct winsize` of ioctl_tty(2)). */
const MOST_CHARACTERS = 65_535;

/** What a command is started with. */
export interface StartOptions {
  /** Environment variables, on top of those of the sandbox. */
  env?: Record<string, string>;
  /** Working directory; default: the home of the user. */
  cwd?: string;
  /** User of the image; default: the one of the sandbox. */
  user?: string;
  /** Seconds until the command is ended; default, and 0: no limit. */
  timeoutSec?: number;
  /** Keep standard input open for `process.stdin`; default: it is at its end from the start. */
  stdin?: boolean;
  /**
   * Run in a terminal of this size, in characters; `resize` changes it. Both outputs then arrive as `stdout`, and input is
   * what is typed: a line at a time, with ^C for SIGINT and ^D for its end.
   */
  terminal?: TerminalSize;
  signal?: AbortSignal;
}

/** How a command ended. */
export interface ExitStatus {
  /** Exit status; 128 + n when signal n ended the command. */
  exitCode: number;
  /** Name of that signal, such as "SIGKILL". */
  signal?: string;
  /** The command was ended because `timeoutSec` passed. */
  timedOut: boolean;
  /** A process of the command that was killed because memory ran out; its name is empty when it is not known. */
  outOfMemory?: OutOfMemory;
}

/**
 * A running command. Its output is held back, down to the command itself, while either stream is not read: read both,
 * or call `resume()` on the one of no interest.
 */
export class SandboxProcess {
  /** Process id inside the sandbox. */
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Standard input; ending it closes it for the command. Throws away what is written unless `stdin` was asked for. */
  readonly stdin: Writable;
  /** Resolves when the command has ended and all its output has arrived; rejects when the connection breaks. */
  readonly exit: Promise<ExitStatus>;
  readonly #connection: Connection;

  constructor(connection: Connection, pid: number) {
    this.#connection = connection;
    this.pid = pid;
    this.stdout = connection.stdout;
    this.stderr = connection.stderr;
    this.stdin = connection.stdin;
    this.exit = connection.exit;
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

  /** Lets go of the connection, which ends the command if it still runs; `exit` then rejects. */
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
  const connection = new Connection(transport, path, options);
  const pid = await connection.start({
    type: "start",
    cmd,
    args: [...args],
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.timeoutSec === undefined ? {} : { timeout_sec: options.timeoutSec }),
    stdin: options.stdin ?? false,
    ...(options.terminal ? { terminal: options.terminal } : {}),
  });
  return new SandboxProcess(connection, pid);
}

/** A promise with its two ends. */
class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** One WebSocket, which pauses while one of the output streams is full. */
class Connection {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly stdin: Writable;
  readonly exit: Promise<ExitStatus>;
  readonly #socket: WebSocket;
  readonly #origin: string;
  readonly #started = new Deferred<number>();
  readonly #exited = new Deferred<ExitStatus>();
  readonly #full = new Set<Readable>();
  #heartbeat: NodeJS.Timeout | undefined;
  #ended = false;
  /** Bytes of standard input that were sent and that the command has not been given. */
  #aheadBytes = 0;
  #onTaken: () => void = () => undefined;

  constructor(transport: Transport, path: string, { signal, stdin = false }: StartOptions) {
    const url = transport.urlOf(path);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.#origin = transport.base.origin;
    this.stdout = this.#output();
    this.stderr = this.#output();
    this.stdin = this.#input(stdin);
    this.exit = this.#exited.promise;
    // Whoever waits for the start alone learns of a failure there.
    this.exit.catch(() => undefined);
    this.#socket = new WebSocket(url, EXEC_SUBPROTOCOL, {
      headers: transport.credentials,
      agent: transport.agent,
      perMessageDeflate: false,
      ...(signal ? { signal } : {}),
    });
    this.#socket.binaryType = "nodebuffer";
    this.#socket.on("message", (data, binary) => this.#receive(data, binary));
    this.#socket.on("unexpected-response", (request, response) => {
      errorOf(response).then((error) => {
        request.destroy();
        this.#fail(error);
      });
    });
    this.#socket.on("error", (error) => this.#fail(signal?.aborted ? signal.reason : unreachable(this.#origin, error)));
    this.#socket.on("close", (code, reason) => {
      this.#fail(unreachable(this.#origin, `the connection closed (${code}${reason.length > 0 ? ` ${reason}` : ""})`));
    });
    signal?.addEventListener("abort", () => this.#fail(signal.reason), { once: true });
  }

  /** Sends the first frame and resolves with the process id. */
  start(frame: ExecStartFrame): Promise<number> {
    this.#socket.once("open", () => this.send(frame));
    return this.#started.promise;
  }

  /** Sends a JSON frame, unless the connection is closed already. */
  send(frame: ExecClientFrame): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  close(): void {
    this.#fail(new WarrenError("invalid_state", "The command was let go of before it had ended."));
  }

  #output(): Readable {
    const output: Readable = new Readable({
      read: () => this.#release(output),
      destroy: (error, done) => {
        // Output that nobody wants any more must not hold back the rest.
        this.#release(output);
        done(error);
      },
    });
    return output;
  }

  /** Reads no further until there is room in `output`. */
  #hold(output: Readable): void {
    this.#full.add(output);
    this.#socket.pause();
    // A pong that answers no ping is a sign of life (RFC 6455, section 5.5.3).
    this.#heartbeat ??= setInterval(() => this.#socket.pong(), HEARTBEAT_MS).unref();
  }

  #release(output: Readable): void {
    if (!this.#full.delete(output) || this.#full.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#socket.resume();
  }

  /** The server takes input only where it was asked to. */
  #input(wanted: boolean): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        let pending = Promise.resolve();
        for (let offset = 0; wanted && offset < chunk.length; offset += STDIN_FRAME_BYTES) {
          const bytes = chunk.subarray(offset, offset + STDIN_FRAME_BYTES);
          pending = pending.then(() => this.#sendStdin(bytes));
        }
        pending.then(() => done(), done);
      },
      final: (done) => {
        if (wanted) this.send({ type: "close_stdin" });
        done();
      },
    });
  }

  /** Keeps no further ahead of the command than the server lets signals overtake. */
  async #sendStdin(bytes: Buffer): Promise<void> {
    while (this.#aheadBytes + bytes.length > LIMITS.stdinAheadBytes && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#onTaken = resolve;
      });
    }
    this.#aheadBytes += bytes.length;
    await this.#sendBytes(Buffer.concat([Buffer.of(STREAM_BYTE.stdin), bytes]));
  }

  /** Resolves when the frame has left this process. Input for a command that has ended is dropped. */
  #sendBytes(frame: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) return resolve();
      this.#socket.send(frame, (error) => (error && !this.#ended ? reject(error) : resolve()));
    });
  }

  #receive(data: RawData, binary: boolean): void {
    const bytes = data as Buffer;
    if (binary) this.#receiveOutput(bytes);
    else this.#receiveFrame(bytes.toString("utf8"));
  }

  #receiveOutput(bytes: Buffer): void {
    const output =
      bytes[0] === STREAM_BYTE.stdout ? this.stdout : bytes[0] === STREAM_BYTE.stderr ? this.stderr : undefined;
    if (output === undefined) {
      this.#fail(this.#protocolError(`a binary frame of kind ${bytes[0]}`));
    } else if (bytes.length > 1 && !output.destroyed && !output.push(bytes.subarray(1))) {
      this.#hold(output);
    }
  }

  #receiveFrame(text: string): void {
    let frame: ExecServerFrame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#fail(this.#protocolError("a text frame that is not JSON"));
      return;
    }
    if (frame.type === "start") this.#started.resolve(frame.pid);
    else if (frame.type === "stdin_taken") {
      this.#aheadBytes -= frame.bytes;
      this.#onTaken();
    } else if (frame.type === "exit") this.#end(frame);
    else if (frame.type === "error") {
      const code = isErrorCode(frame.code) ? frame.code : "agent_error";
      this.#fail(new WarrenError(code, frame.data));
    }
  }

  #end(frame: ExecServerFrame & { type: "exit" }): void {
    this.#ended = true;
    this.#onTaken();
    this.stdout.push(null);
    this.stderr.push(null);
    this.stdin.destroy();
    this.#started.reject(this.#protocolError("an exit before the start"));
    this.#exited.resolve({
      exitCode: frame.exit_code,
      ...(frame.signal ? { signal: frame.signal } : {}),
      timedOut: frame.timed_out ?? false,
      ...(frame.out_of_memory ? { outOfMemory: frame.out_of_memory } : {}),
    });
    this.#socket.close();
  }

  #protocolError(what: string): WarrenError {
    return new WarrenError("internal_error", `${this.#origin} sent ${what}: is it a Warren server of this version?`);
  }

  #fail(error: Error): void {
    this.#started.reject(error);
    this.#exited.reject(error);
    if (this.#ended) return;
    this.#ended = true;
    this.#onTaken();
    clearInterval(this.#heartbeat);
    for (const stream of [this.stdout, this.stderr, this.stdin]) {
      // The error reaches the caller through `exit`; a stream without a listener must not end the whole program.
      stream.on("error", () => undefined);
      stream.destroy(error);
    }
    this.#socket.terminate();
  }
}
