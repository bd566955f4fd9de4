import type { Socket } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import type { ExecStarted, ExecStreamResponse } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import {
  EXEC_SUBPROTOCOL,
  type ExecAttachFrame,
  type ExecServerFrame,
  type ExecStartFrame,
} from "@warren/contracts/rest/commands";
import { SIGNALS } from "@warren/contracts/signals";
import type { FastifyBaseLogger } from "fastify";
import type { WebSocket } from "ws";
import { toCatalogueError } from "../http/errors/catalogue-error.ts";
import type { TransferLimits } from "../http/slow-clients/transfer-limits.ts";
import { type CommandInput, outOfMemory } from "./command-service.ts";
import {
  type ClientMessage,
  encodeFrame,
  encodeOutputMessage,
  parseClientMessage,
  RefusedFrame,
} from "./exec-frames.ts";
import { InputQueue } from "./input-queue.ts";
import { type EncodedChunk, Utf8Chunks } from "./output-encoding.ts";
import { OutputWindow } from "./output-window.ts";
import { SocketSender } from "./socket-sender.ts";
import { unlessLeft } from "./unless-left.ts";

/** What a client says first: which command to run, or which one to join. */
type FirstFrame = ExecStartFrame | ExecAttachFrame;

/** What a session does with the sandbox. */
export interface SessionCommands {
  /** Runs the command, or joins it; see CommandService.stream. */
  run(
    first: FirstFrame,
    input: AsyncIterable<CommandInput>,
    consume: (response: ExecStreamResponse) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Ends a command that lives on without the session; see ProcessService.end. */
  end(pid: number): Promise<void>;
}

/** Bytes of input that wait for the host before the socket is read no further, and at which reading goes on. */
const INPUT_HIGH = 512 * 1024;
const INPUT_LOW = 128 * 1024;
/** Answers to refused frames that may wait for a client. */
const MOST_REFUSALS = 100;
/** Milliseconds that a client has for its first frame. */
const START_TIMEOUT_MS = 10_000;

/** Milliseconds that a command which lives on has to take what a client that has left has typed before. */
const LEAVE_MS = 10_000;

/** Status codes of the closing handshake (RFC 6455, section 7.4.1). */
const CLOSE = { normal: 1000, policy: 1008, internal: 1011 } as const;

/** One WebSocket that runs one command, or has joined one. */
export class ExecSession {
  readonly #socket: WebSocket;
  readonly #connection: Socket;
  readonly #limits: Pick<TransferLimits, "streamMs" | "joinedStreamMs">;
  /** After so many milliseconds a client is cut off that takes nothing of its output. */
  #stalledMs = 0;
  readonly #log: FastifyBaseLogger;
  readonly #commands: SessionCommands;
  readonly #sender: SocketSender;
  /** Whether standard streams travel as binary messages. */
  readonly #binary: boolean;
  readonly #abort = new AbortController();
  readonly #input: InputQueue<CommandInput>;
  readonly #text = { stdout: new Utf8Chunks(), stderr: new Utf8Chunks() };
  readonly #start = Promise.withResolvers<FirstFrame>();
  #first: FirstFrame | undefined;
  /** Process id of the command, once it is known. */
  #pid: number | undefined;
  /** Whether the command has a terminal, as far as that is known. */
  #hasTerminal = false;
  /** The client wants a command to end that lives on without it. */
  #isToEnd = false;
  /** Aborts when the client has left and what it has sent is still passed on. */
  readonly #left = new AbortController();
  #window = new OutputWindow();
  #stdinClosed = false;
  /** Answers to refused frames that wait for the client. */
  #refusals = 0;

  /** `connection` is the one below the socket. */
  constructor(
    socket: WebSocket,
    log: FastifyBaseLogger,
    commands: SessionCommands,
    { connection, limits }: { connection: Socket; limits: Pick<TransferLimits, "streamMs" | "joinedStreamMs"> },
  ) {
    this.#socket = socket;
    this.#connection = connection;
    this.#limits = limits;
    this.#log = log;
    this.#commands = commands;
    this.#sender = new SocketSender(socket);
    this.#binary = socket.protocol === EXEC_SUBPROTOCOL;
    this.#input = new InputQueue({
      high: INPUT_HIGH,
      low: INPUT_LOW,
      onHigh: () => socket.pause(),
      onLow: () => socket.resume(),
    });
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary));
    // Which command is to end is not known before it has started.
    socket.on("close", () => this.#isToEnd || this.#leave());
  }

  /** Runs the command that the client names; resolves when the session is over. Never rejects. */
  async run(): Promise<void> {
    const startTimer = setTimeout(() => this.#start.reject(this.#late()), START_TIMEOUT_MS);
    const stopPings = this.#sender.keepAlive();
    let stopWatch = () => {};
    try {
      const first = await this.#start.promise;
      clearTimeout(startTimer);
      stopWatch = this.#sender.watch(this.#connection, this.#stalledMs, () => this.#violate(this.#stalled()));
      await this.#commands.run(
        first,
        this.#input,
        // Of what comes after the client has left, nothing is for anybody.
        async (response) => {
          if (!this.#left.signal.aborted) await unlessLeft(this.#pass(response), this.#abort.signal, this.#left.signal);
        },
        this.#abort.signal,
      );
      this.#socket.close(CLOSE.normal);
    } catch (error) {
      this.#fail(error);
    } finally {
      clearTimeout(startTimer);
      stopPings();
      stopWatch();
      this.#stop();
    }
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#abort.signal.aborted) return;
    try {
      this.#handle(parseClientMessage(data, isBinary, this.#binary));
    } catch (error) {
      if (error instanceof RefusedFrame && this.#first) this.#refuse(error);
      else this.#violate(error);
    }
  }

  /** Says that a frame changed nothing; a client that sends many and reads none of the answers ends its session. */
  #refuse(error: RefusedFrame): void {
    if (this.#refusals >= MOST_REFUSALS) {
      this.#violate(error);
      return;
    }
    this.#refusals += 1;
    const done = () => {
      this.#refusals -= 1;
    };
    this.#send({ type: "refused", code: error.code, data: error.message }).then(done, done);
  }

  #handle(message: ClientMessage): void {
    if (message.type === "start" || message.type === "attach") {
      this.#begin(message);
      return;
    }
    if (message.type === "stop") {
      this.#endCommand();
      return;
    }
    if (!this.#first) {
      throw new WarrenError("invalid_request", `a ${message.type} frame must follow a start or attach frame`);
    }
    switch (message.type) {
      case "signal":
        this.#input.push({ message: { case: "signal", value: { number: SIGNALS[message.signal] } } });
        return;
      case "timeout":
        this.#input.push({ message: { case: "timeLimit", value: { timeoutMs: message.timeout_sec * 1000 } } });
        return;
      case "resize": {
        if (!this.#hasTerminal) throw new RefusedFrame("invalid_request", "the command has no terminal to resize");
        const { cols, rows } = message;
        this.#input.push({ message: { case: "resize", value: { cols, rows } } });
        return;
      }
      case "output_taken":
        this.#take(message.bytes);
        return;
      case "stdin":
        this.#checkStdin(this.#first);
        this.#pushStdin(message.bytes);
        return;
      case "close_stdin":
        this.#checkStdin(this.#first);
        this.#stdinClosed = true;
        this.#input.push({ message: { case: "closeStdin", value: {} } });
    }
  }

  #begin(first: FirstFrame): void {
    if (this.#first) throw new WarrenError("invalid_request", "the command has been started already");
    this.#first = first;
    this.#hasTerminal = first.type === "start" && first.terminal !== undefined;
    this.#window = new OutputWindow(first.output_window);
    this.#stalledMs = this.#outlives ? this.#limits.joinedStreamMs : this.#limits.streamMs;
    this.#start.resolve(first);
  }

  /** Whether the command lives on when the session is over. */
  get #outlives(): boolean {
    return this.#first?.type === "attach" || this.#first?.background === true;
  }

  /** Ends the command, and the session with it. */
  #endCommand(): void {
    if (!this.#outlives) {
      this.#stop();
      this.#socket.close(CLOSE.normal);
      return;
    }
    if (this.#isToEnd) return;
    this.#isToEnd = true;
    if (this.#pid !== undefined) this.#endProcess(this.#pid).catch((error: unknown) => this.#violate(error));
  }

  async #endProcess(pid: number): Promise<void> {
    try {
      await this.#commands.end(pid);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof WarrenError && error.code === "process_not_found")) throw error;
    }
    this.#stop();
    this.#socket.close(CLOSE.normal);
  }

  #take(bytes: number): void {
    if (!this.#window.isBounded) {
      throw new RefusedFrame("invalid_request", "an output_taken frame needs an output_window in the first frame");
    }
    if (!this.#window.used(bytes)) {
      throw new RefusedFrame("invalid_request", "frame/bytes must be at most what has been sent and was not taken yet");
    }
  }

  #checkStdin(first: FirstFrame): void {
    // Whether a command takes input that somebody else has started is the host's to know.
    if (first.type === "start" && !first.stdin)
      throw new WarrenError("invalid_request", 'input needs "stdin":true in the start frame');
    if (this.#stdinClosed) throw new WarrenError("invalid_request", "standard input has been closed already");
  }

  #pushStdin(bytes: Buffer): void {
    for (let offset = 0; offset < bytes.length; offset += LIMITS.chunkBytes) {
      const chunk = bytes.subarray(offset, offset + LIMITS.chunkBytes);
      this.#input.push({ message: { case: "stdin", value: chunk } }, chunk.length);
    }
  }

  async #pass({ message }: ExecStreamResponse): Promise<void> {
    switch (message.case) {
      case "started":
        return this.#passStart(message.value);
      case "stdout":
      case "stderr":
        return this.#passOutput(message.case, message.value);
      case "stdinTaken":
        if (this.#binary) await this.#send({ type: "stdin_taken", bytes: message.value });
        return;
      case "ended": {
        await this.#flush();
        const { exitCode, signal, timedOut } = message.value;
        return this.#send({
          type: "exit",
          exit_code: exitCode,
          ...(signal !== "" && { signal }),
          ...(timedOut && { timed_out: true }),
          ...outOfMemory(message.value),
        });
      }
    }
  }

  async #passStart({ pid, tag, terminal, outputOffset }: ExecStarted): Promise<void> {
    this.#pid = pid;
    this.#hasTerminal ||= terminal;
    if (this.#isToEnd) return this.#endProcess(pid);
    const offset = Number(outputOffset);
    const wanted = this.#first?.type === "attach" ? this.#first.from : undefined;
    await this.#send({
      type: "start",
      pid,
      ...(tag !== "" && { tag }),
      offset,
      ...(wanted !== undefined && wanted < offset && { dropped: offset - wanted }),
      ...(this.#hasTerminal && { terminal: true }),
    });
  }

  /** Sends output; resolves when the client can have more. */
  async #passOutput(stream: "stdout" | "stderr", bytes: Uint8Array): Promise<void> {
    // Counted before: the client may have used it before it is known to be sent.
    const room = this.#window.sent(bytes.length);
    if (this.#binary) await this.#sender.send(encodeOutputMessage(stream, bytes));
    else {
      // Whoever may attach again counts the bytes in their order: none are held back behind those of the other stream.
      if (this.#outlives) await this.#sendText(OTHER[stream], this.#text[OTHER[stream]].end());
      await this.#sendText(stream, this.#text[stream].push(bytes));
    }
    if (this.#window.isFull) await this.#unlessStalled(room);
  }

  /** Waits for room, no longer than for a client that takes nothing from its connection. */
  async #unlessStalled(room: Promise<void>): Promise<void> {
    const { signal } = this.#abort;
    const late = setTimeout(() => this.#violate(this.#stalled()), this.#stalledMs);
    const over = () => clearTimeout(late);
    signal.addEventListener("abort", over, { once: true });
    await room;
    over();
    signal.removeEventListener("abort", over);
  }

  async #flush(): Promise<void> {
    for (const frame of this.#heldBack()) await this.#send(frame);
  }

  /** Bytes that were held back because they begin a character. */
  #heldBack(): ExecServerFrame[] {
    return (["stdout", "stderr"] as const).flatMap((type) => {
      const chunk = this.#text[type].end();
      return chunk ? [{ type, ...chunk }] : [];
    });
  }

  async #sendText(type: "stdout" | "stderr", chunk: EncodedChunk | undefined): Promise<void> {
    if (chunk) await this.#send({ type, ...chunk });
  }

  #send(frame: ExecServerFrame): Promise<void> {
    return this.#sender.send(encodeFrame(frame));
  }

  /** A client that breaks the protocol ends its session. */
  #violate(error: unknown): void {
    this.#start.reject(error);
    this.#abort.abort(error);
    this.#input.end();
  }

  /** Tells the client why the session ends, unless it ended it itself. */
  #fail(thrown: unknown): void {
    const { aborted, reason } = this.#abort.signal;
    const cause = aborted ? reason : thrown;
    if (cause === STOPPED || this.#socket.readyState !== this.#socket.OPEN) return;
    const error = toCatalogueError(cause);
    if (error.status >= 500) this.#log.error({ err: cause, code: error.code }, "a streamed command failed");
    // The client may take none of it; it leaves in this order.
    const frames: ExecServerFrame[] = [...this.#heldBack(), { type: "error", code: error.code, data: error.message }];
    for (const frame of frames) {
      this.#send(frame).catch((sendError: unknown) => {
        this.#log.debug({ err: sendError }, "the client left before it could be told of an error");
      });
    }
    this.#socket.close(error.status >= 500 ? CLOSE.internal : CLOSE.policy, error.code);
  }

  /** The client is gone. A command that lives on is given what was typed before that. */
  #leave(): void {
    if (!this.#outlives || this.#abort.signal.aborted) {
      this.#stop();
      return;
    }
    this.#input.finish();
    this.#left.abort();
    const late = setTimeout(() => this.#stop(), LEAVE_MS);
    this.#abort.signal.addEventListener("abort", () => clearTimeout(late), { once: true });
  }

  /** Ends the command, if it still runs. */
  #stop(): void {
    this.#start.reject(STOPPED);
    this.#abort.abort(STOPPED);
    this.#input.end();
  }

  #stalled(): WarrenError {
    const seconds = Math.round(this.#stalledMs / 1000);
    return new WarrenError("request_timeout", `the client took nothing of the output for ${seconds} seconds`);
  }

  #late(): WarrenError {
    return new WarrenError(
      "invalid_request",
      `no start or attach frame came within ${START_TIMEOUT_MS / 1000} seconds`,
    );
  }
}

const OTHER = { stdout: "stderr", stderr: "stdout" } as const;

/** Reason of a session that the client or the server's end stopped. */
const STOPPED = Symbol("stopped");
