import { once } from "node:events";
import { EXEC_SUBPROTOCOL, type ExecServerFrame, STREAM_BYTE } from "@warren/contracts/rest/commands";
import { WebSocket } from "ws";
import type { TestStack } from "./test-stack.ts";

/** A client of `exec/stream`, with all that it got. */
export class ExecSocket {
  readonly socket: WebSocket;
  readonly frames: ExecServerFrame[] = [];
  /** Bytes of standard streams, from whichever kind of frame. */
  readonly output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  /** Status and reason of the closing handshake. */
  readonly closed: Promise<{ code: number; reason: string }>;
  #waiting: (() => void)[] = [];

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once("close", (code, reason) => {
        resolve({ code, reason: String(reason) });
        this.#wake();
      });
    });
    socket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary));
  }

  /** Connects; rejects with the status of the answer when the server refuses. */
  static async open(
    stack: TestStack,
    sandboxId: string,
    options: { binary?: boolean; headers?: Record<string, string> } = {},
  ): Promise<ExecSocket> {
    const url = `${stack.url.replace("http", "ws")}/v1/sandboxes/${sandboxId}/exec/stream`;
    const headers = { "x-api-key": stack.apiKey, ...options.headers };
    const socket = new WebSocket(url, options.binary ? [EXEC_SUBPROTOCOL] : [], { headers, perMessageDeflate: false });
    const client = new ExecSocket(socket);
    await once(socket, "open");
    return client;
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** Resolves with the first frame of a type, already here or yet to come. */
  async frame<T extends ExecServerFrame["type"]>(type: T): Promise<Extract<ExecServerFrame, { type: T }>> {
    for (;;) {
      const found = this.frames.find((frame) => frame.type === type);
      if (found) return found as Extract<ExecServerFrame, { type: T }>;
      if (this.socket.readyState === WebSocket.CLOSED) {
        throw new Error(`closed without a ${type} frame: ${JSON.stringify(this.frames)}`);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  text(stream: "stdout" | "stderr"): string {
    return Buffer.concat(this.output[stream]).toString("utf8");
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (isBinary) {
      this.output[data[0] === STREAM_BYTE.stderr ? "stderr" : "stdout"].push(data.subarray(1));
    } else {
      const frame = JSON.parse(data.toString("utf8")) as ExecServerFrame;
      this.frames.push(frame);
      if (frame.type === "stdout" || frame.type === "stderr") {
        this.output[frame.type].push(Buffer.from(frame.data, frame.encoding ?? "utf8"));
      }
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
