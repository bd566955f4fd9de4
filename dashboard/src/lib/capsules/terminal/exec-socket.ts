/** Size of a terminal in characters. */
export interface Size {
  cols: number;
  rows: number;
}

/** What a command in a terminal tells. */
export interface ExecListener {
  /** Output of the command; `used` is to be called once it has been shown: no more than a window of it comes before. */
  onOutput(bytes: Uint8Array, used: () => void): void;
  /** It is over, in words: how it ended, or what went wrong. Called once. */
  onEnd(words: string): void;
}

/** First byte of binary messages, in both directions (docs/rest-api.md, "Run a command"). */
const STREAM = 1;
/** Bytes of standard input in one message: far fewer than the server takes, above which it ends the connection. */
const MESSAGE_BYTES = 64 * 1024;
/** Bytes of output that may wait to be shown; what a command writes beyond makes it wait. */
const OUTPUT_WINDOW = 1024 * 1024;
/** Bytes that have been shown of which the server is told at once. */
const TOLD_AT_ONCE = OUTPUT_WINDOW / 8;
/** Subprotocol with binary messages. */
const PROTOCOL = "warren.exec.v1";

/** A log-in shell: bash where the capsule has it. Each terminal of the pages begins with it. */
export const SHELL = "if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi";

type ServerFrame =
  | { type: "start"; pid: number }
  | { type: "exit"; exit_code: number; signal?: string; timed_out?: true }
  | { type: "error"; code: string; data: string }
  | { type: "stdin_taken" | "refused" | "stdout" | "stderr" };

/** A shell in a capsule, on a terminal of its own. It ends with the connection. */
export class ShellSocket {
  readonly #socket: WebSocket;
  readonly #listener: ExecListener;
  readonly #encoder = new TextEncoder();
  #size: Size;
  #isOver = false;
  /** Bytes that have been shown and of which the server does not know. */
  #used = 0;

  constructor(sandboxId: string, size: Size, listener: ExecListener) {
    this.#size = size;
    this.#listener = listener;
    const url = new URL(`/v1/sandboxes/${encodeURIComponent(sandboxId)}/exec/stream`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    this.#socket = new WebSocket(url, PROTOCOL);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#start();
    this.#socket.onmessage = ({ data }) => this.#take(data as ArrayBuffer | string);
    this.#socket.onclose = ({ reason }) => this.#end(closeWords(reason));
  }

  /** Sends what was typed or pasted, however much. */
  write(text: string): void {
    for (const message of inputMessages(this.#encoder.encode(text))) this.#send(message);
  }

  resize(size: Size): void {
    this.#size = size;
    this.#send(JSON.stringify({ type: "resize", ...size }));
  }

  /** Ends the shell and what runs in it. */
  close(): void {
    this.#isOver = true;
    this.#socket.close();
  }

  #start(): void {
    const env = { TERM: "xterm-256color" };
    const start = {
      type: "start",
      cmd: "sh",
      args: ["-c", SHELL],
      env,
      stdin: true,
      terminal: this.#size,
      timeout_sec: 0,
      output_window: OUTPUT_WINDOW,
    };
    this.#socket.send(JSON.stringify(start));
  }

  #send(data: Uint8Array<ArrayBuffer> | string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  #take(data: ArrayBuffer | string): void {
    if (typeof data !== "string") {
      const bytes = new Uint8Array(data, 1);
      this.#listener.onOutput(bytes, () => this.#tellUsed(bytes.length));
      return;
    }
    const frame = JSON.parse(data) as ServerFrame;
    if (frame.type === "exit") this.#end(exitWords(frame));
    else if (frame.type === "error") this.#end(frame.data);
  }

  #tellUsed(bytes: number): void {
    this.#used += bytes;
    if (this.#used < TOLD_AT_ONCE) return;
    this.#send(JSON.stringify({ type: "output_taken", bytes: this.#used }));
    this.#used = 0;
  }

  #end(words: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onEnd(words);
  }
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

/** How a shell ended. */
export function exitWords({ exit_code, signal }: { exit_code: number; signal?: string }): string {
  if (signal !== undefined) return `The shell was ended by ${signal}`;
  return exit_code === 0 ? "The shell has ended" : `The shell has ended with status ${exit_code}`;
}

/** What a connection's end without an exit means; `reason` is the code of an error, if there was one. */
export function closeWords(reason: string): string {
  return reason === ""
    ? "The connection broke, and the shell has ended with it"
    : `The connection was closed: ${reason}`;
}
