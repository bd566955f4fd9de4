import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import { sendDescriptor } from "../../linux/unix-sockets.ts";
import { QmpLineParser } from "./qmp-lines.ts";

/** Commands that the driver uses, as QEMU's QMP reference manual gives them. */
interface QmpCommands {
  qmp_capabilities: { arguments: object; returns: object };
  stop: { arguments: object; returns: object };
  cont: { arguments: object; returns: object };
  "query-status": { arguments: object; returns: { status: string; running: boolean } };
  "xen-save-devices-state": { arguments: { filename: string; live: boolean }; returns: object };
  "migrate-set-capabilities": {
    arguments: { capabilities: { capability: "events"; state: boolean }[] };
    returns: object;
  };
  "migrate-set-parameters": { arguments: { "announce-rounds": number }; returns: object };
  "migrate-incoming": { arguments: { uri: string }; returns: object };
  "add-fd": { arguments: { "fdset-id": number }; returns: { "fdset-id": number; fd: number } };
  "query-fdsets": { arguments: object; returns: { "fdset-id": number }[] };
  "query-block": { arguments: object; returns: { inserted?: { "node-name"?: string } }[] };
  "blockdev-add": { arguments: Record<string, unknown>; returns: object };
  "human-monitor-command": { arguments: { "command-line": "info registers -a" }; returns: string };
  "blockdev-snapshot": { arguments: { node: string; overlay: string }; returns: object };
}

/** Events that the driver listens to; all others are dropped. */
interface QmpEvents {
  /** Progress of an incoming device state. */
  MIGRATION: [data: { status?: string }];
  /** A request of the disk failed on the host; `nospace` says that its disk is full. */
  BLOCK_IO_ERROR: [data: { action?: string; nospace?: boolean; reason?: string }];
  /** The machine ends; `guest` says that the guest asked for it, `reason` how. */
  SHUTDOWN: [data: { guest?: boolean; reason?: string }];
}

const EVENTS: readonly string[] = ["MIGRATION", "BLOCK_IO_ERROR", "SHUTDOWN"] satisfies (keyof QmpEvents)[];

export type QmpCommand = keyof QmpCommands;
export type QmpArguments<C extends QmpCommand> = QmpCommands[C]["arguments"];
export type QmpAnswer<C extends QmpCommand> = QmpCommands[C]["returns"];

/** QEMU refused a command. */
export class QmpError extends WarrenError {
  /** Class of QMP, such as GenericError or CommandNotFound. */
  readonly class: string;

  constructor(command: string, errorClass: string, description: string) {
    super("agent_error", `QEMU refused ${command}: ${description}`);
    this.name = "QmpError";
    this.class = errorClass;
  }
}

interface Pending {
  command: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A session of the QEMU Machine Protocol over a connected socket. */
export class QmpClient {
  /** Resolves when the connection is closed, by whichever side; at the latest when the process of QEMU ends. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #parser = new QmpLineParser();
  readonly #events = new EventEmitter<QmpEvents>();
  readonly #greeting = Promise.withResolvers<void>();
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #failure: WarrenError | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.#fail(`its control connection failed: ${error.message}`));
    socket.on("close", () => this.#fail("it closed its control connection"));
    // A process that ended at once.
    if (socket.closed) this.#fail("it closed its control connection");
  }

  /** Awaits the greeting and leaves the mode of negotiation. */
  static async handshake(socket: Socket, signal?: AbortSignal): Promise<QmpClient> {
    const client = new QmpClient(socket);
    const greeting = client.#greeting;
    // The rejection reaches the caller below; without a second handler it would be unhandled once the session is open.
    greeting.promise.catch(() => undefined);
    const giveUp = (): void => greeting.reject(signal?.reason);
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      await greeting.promise;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
    await client.execute("qmp_capabilities", {}, signal);
    return client;
  }

  /**
   * Runs a command. Several may be under way; the answer to each is told by its id. `signal` gives up waiting for the
   * answer: QEMU knows no way to take a command back. `descriptor` is passed along, as `add-fd` wants it; the caller
   * still closes it.
   */
  async execute<C extends QmpCommand>(
    command: C,
    args: QmpArguments<C>,
    signal?: AbortSignal,
    descriptor?: number,
  ): Promise<QmpAnswer<C>> {
    signal?.throwIfAborted();
    if (this.#failure) throw this.#failure;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // The connection may break before the answer is waited for below.
    promise.catch(() => undefined);
    const giveUp = (): void => reject(signal?.reason);
    this.#pending.set(id, { command, resolve, reject });
    signal?.addEventListener("abort", giveUp, { once: true });
    const line = `${JSON.stringify({ execute: command, arguments: args, id })}\n`;
    try {
      if (descriptor === undefined) this.#socket.write(line);
      // A process that reads nothing any more is waited for no longer than for its answer.
      else await Promise.race([this.#sendWith(line, descriptor), promise]);
      return (await promise) as QmpAnswer<C>;
    } finally {
      this.#pending.delete(id);
      signal?.removeEventListener("abort", giveUp);
    }
  }

  /** Calls `listener` at every event of one kind until the returned function is called. */
  on<E extends keyof QmpEvents>(event: E, listener: (...data: QmpEvents[E]) => void): () => void {
    this.#events.on(event, listener as never);
    return () => this.#events.off(event, listener as never);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Sends a line with a descriptor, past the stream's own queue, which must be empty for that. */
  async #sendWith(line: string, descriptor: number): Promise<void> {
    await new Promise<void>((written) => this.#socket.write("", () => written()));
    const { _handle: handle } = this.#socket as Socket & { _handle?: { fd?: number } };
    if (handle?.fd === undefined) throw new WarrenError("agent_error", "QEMU closed its control connection");
    try {
      sendDescriptor(handle.fd, Buffer.from(line), descriptor);
    } catch (error) {
      const { message } = error as Error;
      throw new WarrenError("agent_error", `QEMU could not be passed a file: ${message}`, { cause: error });
    }
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#parser.push(chunk)) this.#dispatch(message);
    } catch (error) {
      this.#fail(`it does not speak QMP: ${(error as Error).message}`);
      this.#socket.destroy();
    }
  }

  #dispatch(message: Record<string, unknown>): void {
    const { event, data } = message;
    if ("QMP" in message) this.#greeting.resolve();
    else if (typeof event !== "string") this.#settle(message);
    else if (EVENTS.includes(event)) this.#events.emit(event as keyof QmpEvents, (data ?? {}) as object);
  }

  #settle(message: Record<string, unknown>): void {
    const pending = this.#pending.get(message.id as number);
    // An answer that nobody waits for has no meaning: the command was given up, or never sent.
    if (pending === undefined) return;
    this.#pending.delete(message.id as number);
    const error = message.error as { class?: unknown; desc?: unknown } | undefined;
    if (error === undefined) pending.resolve(message.return);
    else pending.reject(new QmpError(pending.command, String(error.class), String(error.desc)));
  }

  #fail(reason: string): void {
    this.#failure ??= new WarrenError("agent_error", `QEMU does not answer: ${reason}`);
    this.#greeting.reject(this.#failure);
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }
}
