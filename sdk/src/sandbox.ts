import type { Readable } from "node:stream";
import { WarrenError } from "@warren/contracts/errors";
import type { ExecResult as ExecFields, ExecRequest } from "@warren/contracts/rest/commands";
import type { ForkResult, ResumeSandbox } from "@warren/contracts/rest/forks";
import type { MetricSeries, SandboxMetrics } from "@warren/contracts/rest/metrics";
import type { Sandbox as SandboxFields, UpdateSandbox } from "@warren/contracts/rest/sandboxes";
import type { StatsRange } from "@warren/contracts/rest/stats";
import { errorOfBody } from "./errors.ts";
import { type SandboxProcess, type StartOptions, startProcess } from "./exec-stream.ts";
import { type FileOptions, Files, type WriteOptions } from "./files.ts";
import type { Content } from "./multipart.ts";
import { Processes } from "./processes.ts";
import type { Transport } from "./transport.ts";

/** What a command is run with when its output is returned as a whole. */
export interface ExecOptions {
  env?: Record<string, string>;
  /** Working directory; default: the home of the user. */
  cwd?: string;
  /** User of the image; default: the one of the sandbox. */
  user?: string;
  /** Seconds until the command is ended, for which CommandTimeoutError is thrown; default, and 0: no limit. */
  timeoutSec?: number;
  /** Standard input, whole; default: none. */
  stdin?: Uint8Array | string;
  signal?: AbortSignal;
}

/** A command that has ended, with its output. */
export interface ExecResult {
  stdout: string;
  stderr: string;
  /** The same as they came, when they are no text. */
  stdoutBytes: Uint8Array;
  stderrBytes: Uint8Array;
  /** Exit status; 128 + n when signal n ended the command. */
  exitCode: number;
  /** Name of that signal, such as "SIGKILL". */
  signal?: string;
  /** A process of the command that was killed because memory ran out; its name is empty when it is not known. */
  outOfMemory?: { process: string; pid: number };
  /** More was written than the server returns as a whole; `stream` has no such limit. */
  stdoutTruncated: boolean;
  stderrTruncated: boolean;
  durationMs: number;
}

/** A command whose time was up before it ended. */
export class CommandTimeoutError extends WarrenError {
  /** What it had written until then, and how it was ended. */
  readonly result: ExecResult;

  constructor(cmd: string, result: ExecResult) {
    super("command_timed_out", `The command ${cmd} was ended because its time was up; timeoutSec gives it more.`);
    this.name = "CommandTimeoutError";
    this.result = result;
  }
}

/** What is to be changed of a sandbox; what is left out stays as it is. */
export interface UpdateOptions {
  /** New name; null = none. */
  name?: string | null;
  /** Replaces all metadata. */
  metadata?: Record<string, string>;
  /** Seconds of inactivity before `onTimeout` happens, from now on; 0 = never. */
  timeoutSec?: number;
  onTimeout?: "pause" | "destroy";
  autoResume?: boolean;
  /** Renews the lease for so many seconds from now; null = no lease. */
  leaseSec?: number | null;
  signal?: AbortSignal;
}

/** A sandbox: a microVM with its disk. */
export class Sandbox {
  readonly id: string;
  /** Its fields as the server last gave them. */
  readonly fields: SandboxFields;
  /** Its files. */
  readonly files: Files;
  /** Its commands: to start some in the background, find them again and join them. */
  readonly processes: Processes;
  readonly #transport: Transport;
  readonly #path: string;

  constructor(transport: Transport, fields: SandboxFields) {
    this.#transport = transport;
    this.id = fields.id;
    this.fields = fields;
    this.#path = `/v1/sandboxes/${encodeURIComponent(fields.id)}`;
    this.files = new Files(transport, this.#path);
    this.processes = new Processes(transport, this.#path);
  }

  /** Runs a command to its end and returns its output. Throws CommandTimeoutError when its time was up before. */
  async exec(cmd: string, args: readonly string[] = [], options: ExecOptions = {}): Promise<ExecResult> {
    const { env, cwd, user, timeoutSec, stdin, signal } = options;
    const json: ExecRequest = {
      cmd,
      args: [...args],
      ...(env === undefined ? {} : { env }),
      ...(cwd === undefined ? {} : { cwd }),
      ...(user === undefined ? {} : { user }),
      ...(timeoutSec === undefined ? {} : { timeout_sec: timeoutSec }),
      ...(stdin === undefined ? {} : { stdin: Buffer.from(stdin).toString("base64"), stdin_encoding: "base64" }),
    };
    const path = `${this.#path}/exec`;
    const fields = await this.#transport.json<ExecFields>({ method: "POST", path, json, signal });
    const stdoutBytes = Buffer.from(fields.stdout, fields.encoding);
    const stderrBytes = Buffer.from(fields.stderr, fields.encoding);
    const result: ExecResult = {
      stdout: stdoutBytes.toString("utf8"),
      stderr: stderrBytes.toString("utf8"),
      stdoutBytes,
      stderrBytes,
      exitCode: fields.exit_code,
      ...(fields.signal === undefined ? {} : { signal: fields.signal }),
      ...(fields.out_of_memory ? { outOfMemory: fields.out_of_memory } : {}),
      stdoutTruncated: fields.stdout_truncated,
      stderrTruncated: fields.stderr_truncated,
      durationMs: fields.duration_ms,
    };
    if (fields.timed_out) throw new CommandTimeoutError(cmd, result);
    return result;
  }

  /** Starts a command and hands over its streams. */
  stream(cmd: string, args: readonly string[] = [], options: StartOptions = {}): Promise<SandboxProcess> {
    return startProcess(this.#transport, `${this.#path}/exec/stream`, cmd, args, options);
  }

  /** Writes a file; the same as `files.write`. */
  writeFile(path: string, content: Uint8Array | string, options: WriteOptions = {}): Promise<void> {
    return this.files.write(path, content, options);
  }

  /** Reads a file whole into memory. */
  readFile(path: string, options: FileOptions = {}): Promise<Buffer> {
    return this.files.read(path, options);
  }

  /** Writes a file from a stream of any length. `size` is its number of bytes, when it is known beforehand. */
  upload(path: string, content: Content, options: WriteOptions & { size?: number } = {}): Promise<void> {
    return this.files.write(path, content, options);
  }

  /** Reads a file as a stream of any length. */
  async download(path: string, options: FileOptions = {}): Promise<Readable> {
    return (await this.files.open(path, options)).content;
  }

  /** What it used over a part of the past, which ends now; also of a sandbox that is over. */
  async metrics(range: StatsRange = "1h", signal?: AbortSignal): Promise<MetricSeries> {
    const path = `${this.#path}/metrics?range=${range}`;
    return (await this.#transport.json<SandboxMetrics>({ method: "GET", path, safe: true, signal })).series;
  }

  /** Resets the inactivity timer. */
  async ping(signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "POST", path: `${this.#path}/ping`, safe: true, signal });
  }

  /** Changes name, metadata or settings. Resolves with its new state. */
  async update(options: UpdateOptions): Promise<Sandbox> {
    const { name, metadata, timeoutSec, onTimeout, autoResume, leaseSec, signal } = options;
    const json: UpdateSandbox = {
      ...(name === undefined ? {} : { name }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(timeoutSec === undefined ? {} : { timeout_sec: timeoutSec }),
      ...(onTimeout === undefined ? {} : { on_timeout: onTimeout }),
      ...(autoResume === undefined ? {} : { auto_resume: autoResume }),
      ...(leaseSec === undefined ? {} : { lease_sec: leaseSec }),
    };
    return this.#as(await this.#transport.json({ method: "PATCH", path: this.#path, json, safe: true, signal }));
  }

  /** Puts the sandbox to disk, where it takes no memory; one that is paused stays so. Resolves with its new state. */
  async pause(signal?: AbortSignal): Promise<Sandbox> {
    return this.#as(await this.#transport.json({ method: "POST", path: `${this.#path}/pause`, safe: true, signal }));
  }

  /**
   * Returns the sandbox to its last pause; what it did since is lost. One that is paused stays as it is; one that never
   * was runs on, and the call fails with `invalid_state`. Resolves with its new state.
   */
  async rollback(signal?: AbortSignal): Promise<Sandbox> {
    const path = `${this.#path}/rollback`;
    return this.#as(await this.#transport.json({ method: "POST", path, safe: true, signal }));
  }

  /** Lets a paused sandbox go on where it stood; one that runs goes on running. Resolves with its new state. */
  async resume(options: { timeoutSec?: number; signal?: AbortSignal } = {}): Promise<Sandbox> {
    const { timeoutSec, signal } = options;
    const json: ResumeSandbox = timeoutSec === undefined ? {} : { timeout_sec: timeoutSec };
    const path = `${this.#path}/resume`;
    return this.#as(await this.#transport.json({ method: "POST", path, json, safe: true, signal }));
  }

  /** Copies the running sandbox, each copy going on where it stands. A copy that did not start is an error in its place. */
  async fork(count = 1, signal?: AbortSignal): Promise<(Sandbox | WarrenError)[]> {
    const path = `${this.#path}/fork`;
    const results = await this.#transport.json<ForkResult[]>({ method: "POST", path, json: { count }, signal });
    return results.map((result) => ("error" in result ? errorOfBody(result) : this.#as(result.sandbox)));
  }

  /** Ends the sandbox and removes all it held. Succeeds when it is gone already. */
  async destroy(signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: this.#path, safe: true, signal });
  }

  #as(fields: SandboxFields): Sandbox {
    return new Sandbox(this.#transport, fields);
  }
}
