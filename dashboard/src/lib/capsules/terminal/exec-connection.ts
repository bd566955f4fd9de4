import type { Exit } from "./words.ts";

/** Size of a terminal in characters. */
export interface Size {
  cols: number;
  rows: number;
}

/** First frame of a client (docs/rest-api.md, "Run a command"). */
export type FirstFrame =
  /** Without a tag the command ends with the connection. */
  | { type: "start"; cmd: string; args: string[]; tag?: string; size: Size }
  /** `from`: bytes of the output that are not asked for, since they are there. */
  | { type: "attach"; process: string; from: number };

/** What the server says of a command when it begins to bring its output. */
export interface Started {
  pid: number;
  tag?: string;
  /** Bytes of output before the first that it brings. */
  offset?: number;
  /** Bytes of those that were asked for, which are not kept any more. */
  dropped?: number;
}

/** How a connection ended: with the command, with an error that the server told, or without a word. */
export type Over = ({ is: "exit" } & Exit) | { is: "error"; code: string; words: string } | { is: "broken" };

/** What a connection tells. */
export interface ConnectionListener {
  onStart(started: Started): void;
  /** Output of the command; `used` is to be called once it has been shown: no more than a window of it comes before. */
  onOutput(bytes: Uint8Array, used: () => void): void;
  /** Called once. */
  onOver(over: Over): void;
}

/** First byte of binary messages, in both directions. */
const STREAM = 1;
/** Bytes of standard input in one message: far fewer than the server takes, above which it ends the connection. */
const MESSAGE_BYTES = 64 * 1024;
/** Bytes of output that may wait to be shown; what a command writes beyond makes it wait. */
const OUTPUT_WINDOW = 1024 * 1024;
/** Bytes that have been shown of which the server is told at once. */
const TOLD_AT_ONCE = OUTPUT_WINDOW / 8;
/** Subprotocol with binary messages. */
const PROTOCOL = "warren.exec.v1";

type ServerFrame =
  | ({ type: "start" } & Started)
  | ({ type: "exit" } & Exit)
  | { type: "error"; code: string; data: string }
  | { type: "stdin_taken"; bytes: number }
  | { type: "refused" | "stdout" | "stderr" };

/** One connection to a command in a terminal, which it starts or joins. */
export class ExecConnection {
  readonly #socket: WebSocket;
  readonly #listener: ConnectionListener;
  #isOver = false;
  /** Bytes that have been shown and of which the server does not know. */
  #used = 0;
  #unread = 0;

  constructor(url: URL, first: FirstFrame, listener: ConnectionListener) {
    this.#listener = listener;
    this.#socket = new WebSocket(url, PROTOCOL);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#send(JSON.stringify(wire(first)));
    this.#socket.onmessage = ({ data }) => this.#take(data as ArrayBuffer | string);
    this.#socket.onclose = () => this.#end({ is: "broken" });
  }

  /** Bytes that were written and of which the server has not said that the command was given them. */
  get unread(): number {
    return this.#unread;
  }

  /** Sends what was typed or pasted, however much. Only once the connection is there. */
  write(bytes: Uint8Array): void {
    this.#unread += bytes.length;
    for (const message of inputMessages(bytes)) this.#send(message);
  }

  resize({ cols, rows }: Size): void {
    this.#send(JSON.stringify({ type: "resize", cols, rows }));
  }

  /** Leaves the command to itself; nothing is told any more. */
  close(): void {
    this.#isOver = true;
    this.#socket.close();
  }

  /** Has the command end, also one that was asked for and has not answered yet, and tells nothing any more. */
  end(): void {
    this.#send(JSON.stringify({ type: "stop" }));
    this.close();
  }

  #send(data: Uint8Array<ArrayBuffer> | string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  #take(data: ArrayBuffer | string): void {
    if (this.#isOver) return;
    if (typeof data !== "string") {
      const bytes = new Uint8Array(data, 1);
      this.#listener.onOutput(bytes, () => this.#tellUsed(bytes.length));
      return;
    }
    const frame = JSON.parse(data) as ServerFrame;
    if (frame.type === "start") this.#listener.onStart(frame);
    else if (frame.type === "stdin_taken") this.#unread -= frame.bytes;
    else if (frame.type === "exit") this.#end({ is: "exit", ...frame });
    else if (frame.type === "error") this.#end({ is: "error", code: frame.code, words: frame.data });
  }

  #tellUsed(bytes: number): void {
    this.#used += bytes;
    if (this.#used < TOLD_AT_ONCE) return;
    this.#send(JSON.stringify({ type: "output_taken", bytes: this.#used }));
    this.#used = 0;
  }

  #end(over: Over): void {
    if (this.#isOver) return;
    this.close();
    this.#listener.onOver(over);
  }
}

/** A first frame as it is sent. */
function wire(first: FirstFrame): object {
  if (first.type === "attach") return { ...first, output_window: OUTPUT_WINDOW };
  const { size, ...start } = first;
  return {
    ...start,
    background: first.tag !== undefined,
    env: { TERM: "xterm-256color" },
    stdin: true,
    terminal: size,
    timeout_sec: 0,
    output_window: OUTPUT_WINDOW,
  };
}

/** Standard input as the messages that carry it. */
export function inputMessages(bytes: Uint8Array): Uint8Array<ArrayBuffer>[] {
  const messages = [];
  for (let start = 0; start < bytes.length; start += MESSAGE_BYTES) {
    const part = bytes.subarray(start, start + MESSAGE_BYTES);
    const message = new Uint8Array(part.length + 1);
    message[0] = STREAM;
    message.set(part, 1);
    messages.push(message);
  }
  return messages;
}
