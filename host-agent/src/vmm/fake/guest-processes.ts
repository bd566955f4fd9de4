import type { ServerResponse } from "node:http";
import { frame } from "../../guest/testing/frames.ts";

type Stream = "stdout" | "stderr";

/** A command of the guest, with all that it has written, for those who join it. */
export class GuestProcess {
  readonly pid: number;
  readonly tag: string | undefined;
  /** Its output is kept for readers that come later. */
  readonly keeps: boolean;
  readonly stop = new AbortController();
  /** Number of the signal that ended it. */
  signal = 0;
  readonly input: Buffer[] = [];
  readonly inputClosed: Promise<void>;
  readonly closeInput: () => void;
  readonly #config: unknown;
  readonly #startedAt = Date.now();
  readonly #readers = new Set<ServerResponse>();
  #output: { stream: Stream; data: Buffer }[] = [];
  #written = 0;
  #end: object | undefined;
  #endedAt = 0;

  constructor(pid: number, request: { process: unknown; tag?: string; keepOutputBytes?: number }) {
    this.pid = pid;
    this.tag = request.tag;
    this.keeps = (request.keepOutputBytes ?? 0) > 0;
    this.#config = request.process;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.inputClosed = promise;
    this.closeInput = resolve;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Tells a reader of all from here on; with `from`, of what is kept from there on as well. */
  join(response: ServerResponse, from?: number): void {
    const offset = from === undefined || !this.keeps ? this.#written : Math.min(from, this.#written);
    const { pid, tag } = this;
    say(response, { start: { pid, outputOffset: String(offset), ...(tag && { tag }) } });
    let at = 0;
    for (const { stream, data } of this.#output) {
      const rest = data.subarray(Math.max(0, offset - at));
      if (rest.length > 0) say(response, { data: { [stream]: rest.toString("base64") } });
      at += data.length;
    }
    this.#readers.add(response);
    response.once("close", () => this.#readers.delete(response));
    if (this.#end) this.#sayEnd(response, this.#end);
  }

  write(stream: Stream, data: Buffer): void {
    this.#written += data.length;
    if (this.keeps) this.#output.push({ stream, data });
    for (const reader of this.#readers) say(reader, { data: { [stream]: data.toString("base64") } });
  }

  /** It has ended, with a status, or by its signal. */
  end(status: number | undefined): void {
    const bySignal = { exitCode: -1, exited: false, status: "signal", signal: this.signal };
    this.#end = status === undefined ? bySignal : { exitCode: status, exited: true, status: `exit status ${status}` };
    this.#endedAt = Date.now();
    for (const reader of this.#readers) this.#sayEnd(reader, this.#end);
  }

  /** What the list of processes tells of it. */
  info(): object {
    return {
      config: this.#config,
      pid: this.pid,
      ...(this.tag && { tag: this.tag }),
      user: "user",
      startedAtUnixMs: String(this.#startedAt),
      keepsOutput: this.keeps,
      outputBytes: String(this.#written),
      outputFrom: String(this.keeps ? 0 : this.#written),
      ...(this.#end && { end: this.#end, endedAtUnixMs: String(this.#endedAt) }),
    };
  }

  #sayEnd(response: ServerResponse, end: object): void {
    say(response, { end });
    response.end(frame("{}", { flags: 2 }));
  }
}

function say(response: ServerResponse, event: unknown): void {
  response.write(frame(JSON.stringify({ event })));
}
