import type { ExecRequest } from "@warren/contracts/rest/commands";
import type { Process, SignalProcess, StartedProcess } from "@warren/contracts/rest/processes";
import type { SignalName } from "@warren/contracts/signals";
import {
  type AttachOptions,
  attachProcess,
  type CommandOptions,
  commandFields,
  type SandboxProcess,
} from "./exec-stream.ts";
import { watchProcesses } from "./process-watch.ts";
import type { Transport } from "./transport.ts";

/** The commands of a sandbox, each named by its process id or its tag. */
export class Processes {
  readonly #transport: Transport;
  /** Path of the sandbox in the API. */
  readonly #path: string;

  constructor(transport: Transport, path: string) {
    this.#transport = transport;
    this.#path = path;
  }

  /**
   * Starts a command in the background: it runs on until it ends, whoever leaves. The newest of its output is kept for
   * `attach`, until an hour after its end. In a terminal it takes input of those who attach; without one it has none.
   */
  start(cmd: string, args: readonly string[] = [], options: CommandOptions = {}): Promise<StartedProcess> {
    const json: ExecRequest = { ...commandFields(cmd, args, options), background: true };
    return this.#transport.json({ method: "POST", path: `${this.#path}/exec`, json, signal: options.signal });
  }

  /** All commands that live, and those of the background that ended within the last hour; the newest last. */
  list(signal?: AbortSignal): Promise<Process[]> {
    return this.#transport.json({ method: "GET", path: `${this.#path}/processes`, safe: true, signal });
  }

  /**
   * Yields at once, and then whenever commands have started or ended, so that the list is another: at most four times a second.
   * Fails when the sandbox stops running (`invalid_state`), the connection breaks, or `signal` aborts.
   */
  watch(signal?: AbortSignal): AsyncGenerator<void, void, undefined> {
    return watchProcesses(this.#transport, `${this.#path}/processes`, signal);
  }

  /** Throws `process_not_found` when there is no such command. */
  get(process: number | string, signal?: AbortSignal): Promise<Process> {
    return this.#transport.json({ method: "GET", path: this.#pathOf(process), safe: true, signal });
  }

  /** Joins a command: its output, which any number of clients may read at once, and its input. Closing leaves it as it is. */
  attach(process: number | string, options: AttachOptions = {}): Promise<SandboxProcess> {
    return attachProcess(this.#transport, `${this.#path}/exec/stream`, String(process), options);
  }

  /** Sends a signal. Throws `process_not_found` when the command has ended. */
  async signal(process: number | string, name: SignalName, signal?: AbortSignal): Promise<void> {
    const json: SignalProcess = { signal: name };
    await this.#transport.json({ method: "POST", path: `${this.#pathOf(process)}/signal`, json, signal });
  }

  /**
   * Ends a command and all its processes: by SIGTERM, and what lives 5 s later by SIGKILL; resolves at once. Throws
   * `process_not_found` when it has ended.
   */
  async end(process: number | string, signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: this.#pathOf(process), signal });
  }

  #pathOf(process: number | string): string {
    return `${this.#path}/processes/${encodeURIComponent(process)}`;
  }
}
