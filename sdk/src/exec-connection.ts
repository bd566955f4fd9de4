import { Readable, Writable } from "node:stream";
import { ERRORS, isErrorCode, WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import {
  EXEC_SUBPROTOCOL,
  type ExecAttachFrame,
  type ExecClientFrame,
  type ExecServerFrame,
  type ExecStartFrame,
  type OutOfMemory,
  STREAM_BYTE,
} from "@warren/contracts/rest/commands";
import WebSocket, { type RawData } from "ws";
import { errorOf, unreachable } from "./errors.ts";
import type { Transport } from "./transport.ts";

/** Bytes of standard input in one frame; the server takes no larger ones than LIMITS.chunkBytes. */
const STDIN_FRAME_BYTES = 64 * 1024;

/** Milliseconds between signs of life while the connection is not read and so cannot answer the server's pings. */
const HEARTBEAT_MS = 5000;

/** Milliseconds before the first attempt to attach again, doubled for each further one up to the longest. */
const REATTACH_MS = { first: 200, longest: 5000 };
/** Milliseconds without the command after which no more attempts are made. */
const REATTACH_LIMIT_MS = 120_000;
/** Milliseconds for input to leave this process that was written before its command was let go of. */
const LEAVE_MS = 5000;
/** Statuses of errors after which the same may work a moment later. */
const PASSING = [408, 429, 502, 503, 504];

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

/** What the server says of a command before its output. */
export type StartedFrame = ExecServerFrame & { type: "start" };

/** How a command is connected to. */
export interface ConnectionOptions {
  /** Input follows. */
  stdin?: boolean;
  /** Attach again by itself when the connection breaks. */
  reattach?: boolean;
  signal?: AbortSignal | undefined;
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

/** The connection to one command, which pauses while one of the output streams is full. */
export class Connection {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly stdin: Writable;
  readonly exit: Promise<ExitStatus>;
  /** Number of bytes of output before the next that arrives in the streams. */
  offset = 0;
  /** Bytes of output that the server had not kept until they were asked for. */
  dropped = 0;
  readonly #transport: Transport;
  readonly #url: URL;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#fail(this.#signal?.reason);
  readonly #reattach: boolean;
  /** The command lives on without this connection, so that one may attach again. */
  readonly #outlives: boolean;
  #socket: WebSocket;
  readonly #started = new Deferred<StartedFrame>();
  readonly #exited = new Deferred<ExitStatus>();
  readonly #full = new Set<Readable>();
  #heartbeat: NodeJS.Timeout | undefined;
  #ended = false;
  #pid: number | undefined;
  /** Since when there is no command on the other side, after there was one (`performance.now()`), and attempts since then. */
  #brokenSince: number | undefined;
  #attempts = 0;
  #retry: NodeJS.Timeout | undefined;
  /** What waits until the command is attached again. */
  #later: (() => void)[] = [];
  /** Bytes of standard input that were sent and that the command has not been given. */
  #aheadBytes = 0;
  #onTaken: () => void = () => undefined;
  /** The command was let go of, and what was written to its input before is on its way. */
  #isLeaving = false;
  #onWritten: () => void = () => undefined;

  constructor(transport: Transport, path: string, first: ExecStartFrame | ExecAttachFrame, options: ConnectionOptions) {
    const { signal, stdin = false, reattach = false } = options;
    this.#transport = transport;
    this.#url = transport.urlOf(path);
    this.#url.protocol = this.#url.protocol === "https:" ? "wss:" : "ws:";
    this.#signal = signal;
    this.#reattach = reattach;
    this.#outlives = first.type === "attach" || first.background === true;
    this.stdout = this.#output();
    this.stderr = this.#output();
    this.stdin = this.#input(stdin);
    this.exit = this.#exited.promise;
    // Whoever waits for the start alone learns of a failure there.
    this.exit.catch(() => undefined);
    this.#socket = this.#connect(first);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Resolves once the command runs. */
  get started(): Promise<StartedFrame> {
    return this.#started.promise;
  }

  /** Sends a JSON frame: once the command is attached again, when it is not; never, when it has ended. */
  send(frame: ExecClientFrame): void {
    if (this.#isAway) this.#later.push(() => this.send(frame));
    else if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /** There is no command on the other side now, and will be one again. */
  get #isAway(): boolean {
    if (this.#ended || !this.#reattach || !this.#outlives || this.#pid === undefined) return false;
    return this.#brokenSince !== undefined || this.#socket.readyState !== WebSocket.OPEN;
  }

  /** Lets go of the command. One that lives on without the connection is sent first what was written to its input before. */
  close(): void {
    const error = new WarrenError("invalid_state", "The command was let go of before it had ended.");
    if (this.#outlives && this.#pid !== undefined && this.#socket.readyState === WebSocket.OPEN) this.#leave(error);
    else this.#fail(error);
  }

  #leave(error: Error): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    for (const stream of [this.stdout, this.stderr]) {
      stream.push(null);
      this.#release(stream);
    }
    const late = setTimeout(() => this.#fail(error), LEAVE_MS);
    const gone = () => {
      clearTimeout(late);
      // Its closing handshake comes behind all that was sent.
      this.#fail(error, () => this.#socket.close());
    };
    this.#onWritten = () => this.stdin.writableLength === 0 && gone();
    this.#onWritten();
  }

  #connect(first: ExecStartFrame | ExecAttachFrame): WebSocket {
    const signal = this.#signal;
    const { origin } = this.#transport.base;
    const socket = new WebSocket(this.#url, EXEC_SUBPROTOCOL, {
      headers: this.#transport.credentials,
      agent: this.#transport.agent,
      perMessageDeflate: false,
      ...(signal ? { signal } : {}),
    });
    // What a connection says after another has taken its place is of no interest.
    const broken = (error: Error) => socket === this.#socket && this.#break(error);
    socket.binaryType = "nodebuffer";
    socket.once("open", () => {
      socket.send(JSON.stringify(first));
      if (this.#full.size > 0) socket.pause();
    });
    socket.on("message", (data, binary) => socket === this.#socket && this.#receive(data, binary));
    socket.on("unexpected-response", (request, response) => {
      errorOf(response).then((error) => {
        request.destroy();
        broken(error);
      });
    });
    socket.on("error", (error) => broken(signal?.aborted ? signal.reason : unreachable(origin, error)));
    socket.on("close", (code, reason) => {
      broken(unreachable(origin, `the connection closed (${code}${reason.length > 0 ? ` ${reason}` : ""})`));
    });
    return socket;
  }

  /** Attaches again after a while, where that was wanted and may help; ends with `error` otherwise. */
  #break(error: Error): void {
    // The end of a connection shows in several ways.
    if (this.#ended || this.#retry !== undefined) return;
    if (this.#isLeaving) {
      this.#fail(error);
      return;
    }
    const pid = this.#pid;
    this.#brokenSince ??= performance.now();
    const passes = error instanceof WarrenError && PASSING.includes(ERRORS[error.code].status);
    const inTime = performance.now() - this.#brokenSince < REATTACH_LIMIT_MS;
    if (!this.#reattach || !this.#outlives || pid === undefined || !passes || !inTime) {
      this.#fail(error);
      return;
    }
    this.#socket.terminate();
    this.#retry = setTimeout(
      () => {
        this.#retry = undefined;
        this.#socket = this.#connect({ type: "attach", process: String(pid), from: this.offset });
      },
      Math.min(REATTACH_MS.first * 2 ** this.#attempts++, REATTACH_MS.longest),
    );
  }

  #start(frame: StartedFrame): void {
    this.#pid = frame.pid;
    this.#brokenSince = undefined;
    this.#attempts = 0;
    // Absent from servers that keep no output.
    this.offset = frame.offset ?? 0;
    this.dropped += frame.dropped ?? 0;
    // What was under way when a connection broke has arrived or never will.
    this.#aheadBytes = 0;
    this.#started.resolve(frame);
    this.#goOn();
  }

  /** Lets go on what has waited for the command. */
  #goOn(): void {
    this.#onTaken();
    for (const resume of this.#later.splice(0)) resume();
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
    this.#heartbeat ??= setInterval(() => {
      if (this.#socket.readyState === WebSocket.OPEN) this.#socket.pong();
    }, HEARTBEAT_MS).unref();
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
        pending.then(() => {
          done();
          this.#onWritten();
        }, done);
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
    while (this.#isAway) {
      await new Promise<void>((resolve) => this.#later.push(resolve));
    }
    this.#aheadBytes += bytes.length;
    await this.#sendBytes(Buffer.concat([Buffer.of(STREAM_BYTE.stdin), bytes]));
  }

  /** Resolves when the frame has left this process. Input for a command that has ended is dropped. */
  #sendBytes(frame: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) return resolve();
      this.#socket.send(frame, (error) => (error && !this.#ended && !this.#outlives ? reject(error) : resolve()));
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
      return;
    }
    if (this.#isLeaving) return;
    this.offset += bytes.length - 1;
    if (bytes.length > 1 && !output.destroyed && !output.push(bytes.subarray(1))) this.#hold(output);
  }

  #receiveFrame(text: string): void {
    let frame: ExecServerFrame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#fail(this.#protocolError("a text frame that is not JSON"));
      return;
    }
    if (frame.type === "start") this.#start(frame);
    else if (frame.type === "stdin_taken") {
      this.#aheadBytes = Math.max(0, this.#aheadBytes - frame.bytes);
      this.#onTaken();
    } else if (frame.type === "exit") this.#end(frame);
    else if (frame.type === "error") {
      const code = isErrorCode(frame.code) ? frame.code : "agent_error";
      this.#break(new WarrenError(code, frame.data));
    }
  }

  #end(frame: ExecServerFrame & { type: "exit" }): void {
    this.#beOver();
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

  /** Keeps nothing going, and no hold on the caller's signal, which may outlive many commands. */
  #beOver(): void {
    this.#ended = true;
    clearTimeout(this.#retry);
    clearInterval(this.#heartbeat);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#goOn();
  }

  #protocolError(what: string): WarrenError {
    const { origin } = this.#transport.base;
    return new WarrenError("internal_error", `${origin} sent ${what}: is it a Warren server of this version?`);
  }

  #fail(error: Error, closeSocket = () => this.#socket.terminate()): void {
    this.#started.reject(error);
    this.#exited.reject(error);
    if (this.#ended) return;
    this.#beOver();
    for (const stream of [this.stdout, this.stderr, this.stdin]) {
      // The error reaches the caller through `exit`; a stream without a listener must not end the whole program.
      stream.on("error", () => undefined);
      // `offset` counts what has arrived: it must be there to be read.
      if (this.#outlives && stream instanceof Readable) stream.push(null);
      else stream.destroy(error);
    }
    closeSocket();
  }
}
