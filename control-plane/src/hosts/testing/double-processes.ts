import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import type { Command } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";

/** How a process ended. */
export type Ended = { exitCode: number; signal: string; timedOut: boolean };

/** A process of this machine, or the reason why there is none. */
export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** Sets a new time limit in milliseconds; 0 = none. */
  limit(timeoutMs: number): void;
}

/** What a stream of a command brings. */
export type Part =
  | { case: "stdout" | "stderr"; value: Uint8Array<ArrayBuffer> }
  | { case: "stdinTaken"; value: number };
type Output = Exclude<Part, { case: "stdinTaken" }>;

interface About {
  tag: string;
  command: Command;
  terminal: boolean;
  background: boolean;
  user: string;
}

/** Bytes that wait for a reader before the command is read no further. */
const AHEAD = 256 * 1024;

/** A command that can be found, with what is kept of its output and those who read it. */
export class DoubleProcess {
  readonly running: Running;
  readonly pid: number;
  readonly tag: string;
  readonly terminal: boolean;
  /** Without those who started it, it is ended. */
  readonly endsWithClient: boolean;
  readonly readers = new Set<ProcessReader>();
  /** Resolves when it has ended and all its output has been read. */
  readonly over: Promise<void>;
  end: Ended | undefined;
  outputBytes = 0;
  readonly #about: About;
  readonly #startedAt = BigInt(Date.now());
  #endedAt = 0n;
  #kept: Output[] = [];
  #keptFrom = 0;

  /** `failure`: what it says in place of a process that there is not. */
  constructor(running: Running, about: About, failure?: Buffer<ArrayBuffer>) {
    this.running = running;
    this.pid = running.child.pid ?? 0;
    this.tag = about.tag;
    this.terminal = about.terminal;
    this.endsWithClient = !about.background;
    this.#about = about;
    this.over = this.#read(failure);
  }

  info() {
    const { command, background, user } = this.#about;
    const { pid, tag, terminal, outputBytes } = this;
    return {
      pid,
      tag,
      cmd: command.cmd,
      args: command.args,
      cwd: command.cwd,
      user,
      startedAtUnixMs: this.#startedAt,
      terminal,
      background,
      outputBytes: BigInt(outputBytes),
      outputFrom: BigInt(this.#keptFrom),
      cpuMs: 0n,
      memoryBytes: this.end ? 0n : 4096n,
      ...(this.end && { ended: this.end, endedAtUnixMs: this.#endedAt }),
    };
  }

  /** Where output begins for who wants it from there on, and what is kept of it. */
  keptFrom(from: number): { offset: number; parts: Output[] } {
    const offset = Math.min(Math.max(from, this.#keptFrom), this.outputBytes);
    let skipped = offset - this.#keptFrom;
    const parts = this.#kept.flatMap((part) => {
      const value = part.value.subarray(Math.min(skipped, part.value.length));
      skipped -= part.value.length - value.length;
      return value.length > 0 ? [{ ...part, value }] : [];
    });
    return { offset, parts };
  }

  async #read(failure: Buffer<ArrayBuffer> | undefined): Promise<void> {
    const { child, ended } = this.running;
    for await (const part of merge(child.stdout!, child.stderr!)) {
      this.#keep(part);
      await Promise.all([...this.readers].map((reader) => reader.give(part)));
    }
    const end = await ended;
    if (failure) {
      const part: Output = { case: "stderr", value: failure };
      this.#keep(part);
      await Promise.all([...this.readers].map((reader) => reader.give(part)));
    }
    this.end = end;
    this.#endedAt = BigInt(Date.now());
    for (const reader of this.readers) reader.wake();
  }

  #keep(part: Output): void {
    this.outputBytes += part.value.length;
    if (this.#about.background) this.#kept.push(part);
    let excess = this.outputBytes - this.#keptFrom - (this.#about.background ? LIMITS.keptOutputBytes : 0);
    if (excess <= 0) return;
    this.#keptFrom += excess;
    this.#kept = this.#kept.flatMap((kept) => {
      const value = kept.value.subarray(Math.min(excess, kept.value.length));
      excess -= kept.value.length - value.length;
      return value.length > 0 ? [{ ...kept, value }] : [];
    });
  }
}

/** One who reads the output of a command, which waits for it. */
export class ProcessReader implements AsyncIterable<Part> {
  /** Bytes of output before the first that it brings. */
  readonly offset: number;
  isFinished = false;
  readonly #process: DoubleProcess;
  #parts: Part[] = [];
  #waiting = 0;
  #wake: () => void = () => undefined;
  #onRoom: () => void = () => undefined;
  #broken: Error | undefined;

  /** From a byte on, as far as it is kept, or with what comes from now on. */
  constructor(process: DoubleProcess, from: number | undefined) {
    const { offset, parts } = process.keptFrom(from ?? process.outputBytes);
    this.offset = offset;
    this.#process = process;
    for (const part of parts) this.push(part);
    process.readers.add(this);
  }

  push(part: Part): void {
    this.#parts.push(part);
    if (part.case !== "stdinTaken") this.#waiting += part.value.length;
    this.#wake();
  }

  /** Resolves when the command may be read on. */
  async give(part: Part): Promise<void> {
    if (!this.#process.readers.has(this)) return;
    this.push(part);
    if (this.#waiting >= AHEAD) await new Promise<void>((resolve) => (this.#onRoom = resolve));
  }

  wake(): void {
    this.#wake();
  }

  /** Ends the reading before the command has ended. */
  breakOff(error: Error): void {
    this.#broken = error;
    this.#wake();
  }

  /** Nobody wants more of it. */
  finish(): void {
    this.isFinished = true;
    this.#wake();
  }

  /** Keeps the command waiting no more. */
  leave(): void {
    this.#process.readers.delete(this);
    this.#onRoom();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Part> {
    for (;;) {
      if (this.#broken) throw this.#broken;
      if (this.isFinished) return;
      const part = this.#parts.shift();
      if (part) {
        if (part.case !== "stdinTaken") this.#waiting -= part.value.length;
        if (this.#waiting < AHEAD) this.#onRoom();
        yield part;
      } else if (this.#process.end) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** Output of both streams as it comes, read only as fast as it is taken. */
async function* merge(stdout: Readable, stderr: Readable): AsyncGenerator<Output> {
  type Name = Output["case"];
  const sources = new Map<Name, AsyncIterator<Uint8Array<ArrayBuffer>>>([
    ["stdout", stdout[Symbol.asyncIterator]()],
    ["stderr", stderr[Symbol.asyncIterator]()],
  ]);
  const pending = new Map<Name, Promise<{ name: Name; result: IteratorResult<Uint8Array<ArrayBuffer>> }>>();
  while (sources.size > 0) {
    for (const [name, source] of sources) {
      if (pending.has(name)) continue;
      pending.set(
        name,
        source.next().then((result) => ({ name, result })),
      );
    }
    const { name, result } = await Promise.race(pending.values());
    pending.delete(name);
    if (result.done) sources.delete(name);
    else yield { case: name, value: result.value };
  }
}
