import type { Health } from "@warren/contracts/rest/health";
import type { CreateSandbox, Sandbox as SandboxFields } from "@warren/contracts/rest/sandboxes";
import { Sandbox } from "./sandbox.ts";
import { Snapshots } from "./snapshots.ts";
import { Transport, type TransportOptions } from "./transport.ts";

/** What a sandbox is made with; what is left out has the server's default. */
export interface CreateOptions {
  /** Template to start from; default: the base image. */
  template?: string;
  vcpus?: number;
  /** MiB. */
  memoryMb?: number;
  /** Seconds of inactivity before `onTimeout` happens; 0 = never. */
  timeoutSec?: number;
  /** What inactivity leads to; default: "pause". */
  onTimeout?: "pause" | "destroy";
  /** A call that needs the sandbox resumes it when it is paused. */
  autoResume?: boolean;
  /** Environment of every process started in the sandbox. */
  env?: Record<string, string>;
  signal?: AbortSignal;
}

/**
 * A Warren server.
 *
 * ```ts
 * const warren = new Warren({ url: "http://127.0.0.1:3000", apiKey: "warren_…" });
 * const sandbox = await warren.sandboxes.create({ memoryMb: 512 });
 * const { stdout } = await sandbox.exec("python3", ["-c", "print('hello')"]);
 * await sandbox.destroy();
 * ```
 */
export class Warren {
  readonly sandboxes: Sandboxes;
  readonly snapshots: Snapshots;
  readonly #transport: Transport;

  constructor(options: TransportOptions) {
    this.#transport = new Transport(options);
    this.sandboxes = new Sandboxes(this.#transport);
    this.snapshots = new Snapshots(this.#transport);
  }

  /** Whether the server answers, and its version. */
  health(signal?: AbortSignal): Promise<Health> {
    return this.#transport.json({ method: "GET", path: "/health", safe: true, signal });
  }

  /** Closes the connections; calls that are under way end with an error. */
  close(): void {
    this.#transport.close();
  }
}

/** The sandboxes of the caller's team. */
export class Sandboxes {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Makes a sandbox and resolves once commands can run in it. */
  async create(options: CreateOptions = {}): Promise<Sandbox> {
    const { template, vcpus, memoryMb, timeoutSec, onTimeout, autoResume, env, signal } = options;
    const json: CreateSandbox = {
      ...(template === undefined ? {} : { template }),
      ...(vcpus === undefined ? {} : { vcpus }),
      ...(memoryMb === undefined ? {} : { memory_mb: memoryMb }),
      ...(timeoutSec === undefined ? {} : { timeout_sec: timeoutSec }),
      ...(onTimeout === undefined ? {} : { on_timeout: onTimeout }),
      ...(autoResume === undefined ? {} : { auto_resume: autoResume }),
      ...(env === undefined ? {} : { env }),
    };
    const fields = await this.#transport.json<SandboxFields>({ method: "POST", path: "/v1/sandboxes", json, signal });
    return new Sandbox(this.#transport, fields);
  }

  /** All that are not ended, newest first. */
  async list(signal?: AbortSignal): Promise<Sandbox[]> {
    const path = "/v1/sandboxes";
    const all = await this.#transport.json<SandboxFields[]>({ method: "GET", path, safe: true, signal });
    return all.map((fields) => new Sandbox(this.#transport, fields));
  }

  /** One of them; throws `not_found`. */
  async get(id: string, signal?: AbortSignal): Promise<Sandbox> {
    const path = `/v1/sandboxes/${encodeURIComponent(id)}`;
    return new Sandbox(this.#transport, await this.#transport.json({ method: "GET", path, safe: true, signal }));
  }
}
