import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { openHost } from "../host.ts";
import { ensureFakeImages } from "../images/testing/fake-images.ts";
import type { SlotPool, SlotTraffic } from "../network/network.ts";
import { type CommandResult, runCommand } from "../sandboxes/calls/commands.ts";
import type { SandboxSpec } from "../sandboxes/record/spec.ts";
import type { SandboxService } from "../sandboxes/service.ts";
import { newSandbox } from "../sandboxes/testing/new-sandbox.ts";
import { readSettings } from "../settings.ts";
import { FAKE_PLATFORM } from "./fake-platform.ts";

/** Writes a state into the memory and onto the disk of a guest; `READ_STATE` reads it where both are the same. */
export const writeState = (state: number) => `echo ${state} | tee state >/dev/shm/state`;
export const READ_STATE = "cmp state /dev/shm/state && cat state";

/**
 * A host of a file's own for its tests; what a test leaves is destroyed after it. `environment` is the settings of an operator:
 * nothing stands ready unless they say otherwise.
 */
export function useFakeHost(environment: NodeJS.ProcessEnv = {}): () => FakeHost {
  let host: FakeHost;
  beforeAll(async () => {
    host = await FakeHost.open(environment);
  });
  afterEach(() => host.clear());
  afterAll(() => host?.dispose());
  return () => host;
}

/** The sandboxes of a data directory on the fake VMM. */
export class FakeHost {
  readonly directory: string;
  sandboxes!: SandboxService;
  /** Whether no network can be given back: what a microVM held cannot be cleared away. */
  keepsSlots = false;
  /** What networks are said to have carried, by the numbers of their slots. */
  readonly traffic = new Map<number, SlotTraffic>();
  readonly #environment: NodeJS.ProcessEnv;
  #made = 0;

  private constructor(directory: string, environment: NodeJS.ProcessEnv) {
    this.directory = directory;
    this.#environment = environment;
  }

  static async open(environment: NodeJS.ProcessEnv = {}): Promise<FakeHost> {
    const directory = await mkdtemp(join(tmpdir(), "warren-fake-"));
    const host = new FakeHost(directory, { WARREN_WARM_POOL: "0", ...environment });
    await host.reopen();
    return host;
  }

  /** Opens the directory again, as the next host agent does, after `sandboxes.release`. */
  async reopen(): Promise<void> {
    const images = await ensureFakeImages({ directory: join(this.directory, "images") });
    const { sandboxes } = await openHost({
      dataDirectory: this.directory,
      settings: readSettings(this.#environment),
      platform: {
        ...FAKE_PLATFORM,
        createSlots: async (options) => this.#watch(await FAKE_PLATFORM.createSlots(options)),
      },
      images: { directory: join(this.directory, "images"), boot: images },
      log: pino({ level: "silent" }),
    });
    this.sandboxes = sandboxes;
  }

  /** An id that no sandbox has had. */
  newId(): string {
    this.#made += 1;
    return `sb${this.#made.toString(26).replace(/\d/g, (digit) => "qrstuvwxyz"[Number(digit)] ?? "")}`.padEnd(22, "a");
  }

  /** Creates a small sandbox and gives its id. */
  async create(spec: Partial<SandboxSpec> = {}, env: Record<string, string> = {}): Promise<string> {
    const request = newSandbox(this.newId());
    await this.sandboxes.create({ ...request, spec: { ...request.spec, ...spec }, env });
    return request.id;
  }

  /** Runs a shell script in a sandbox to its end. */
  async exec(id: string, script: string, stdin?: string, caller?: AbortSignal): Promise<CommandResult> {
    const sandbox = await this.sandboxes.awake(id);
    const command = { cmd: "sh", args: ["-c", script], env: {}, timeoutMs: 0, stdin: stdin !== undefined };
    return runCommand(sandbox, command, stdin === undefined ? undefined : Buffer.from(stdin), undefined, caller);
  }

  /** What a script prints; throws with it when it fails. */
  async run(id: string, script: string): Promise<string> {
    const { stdout, stderr, exitCode } = await this.exec(id, script);
    if (exitCode !== 0) throw new Error(`status ${exitCode}: ${stdout}${stderr}`);
    return stdout.toString();
  }

  /** Starts a script and resolves, once the guest runs it, with what comes of it. */
  async begin(id: string, script: string): Promise<{ ended: Promise<CommandResult> }> {
    const ended = this.exec(id, `echo begun >/dev/shm/begun; ${script}`);
    ended.catch(() => undefined);
    const look = () => this.run(id, "cat /dev/shm/begun").catch(() => "");
    await expect.poll(look).toBe("begun\n");
    return { ended };
  }

  /** The process of the microVM of a sandbox. */
  pid(id: string): number {
    const { process } = this.sandboxes.get(id).record;
    if (!process) throw new Error(`sandbox ${id} has no microVM`);
    return process.pid;
  }

  /** Files that are kept of sandboxes, snapshots and templates. */
  files(): string[] {
    return ["sandboxes", "disks", "memory", "snapshots", "templates"].flatMap((store) =>
      readdirSync(join(this.directory, store), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name).slice(this.directory.length + 1)),
    );
  }

  /** Destroys every sandbox. */
  async clear(): Promise<void> {
    const all = [...this.sandboxes.list(), ...this.sandboxes.stopped()];
    await Promise.all(all.map(({ id }) => this.sandboxes.destroy(id)));
  }

  #watch(slots: SlotPool): SlotPool {
    return {
      acquire: () => slots.acquire(),
      adopt: (number) => slots.adopt(number),
      release: async (slot) => {
        if (this.keepsSlots) throw new Error(`network slot ${slot.number} cannot be given back`);
        await slots.release(slot);
      },
      traffic: (slot) => this.traffic.get(slot.number) ?? slots.traffic(slot),
      sweep: async (used) => {
        if (this.keepsSlots) throw new Error("network slots of an earlier host agent cannot be given back");
        await slots.sweep(used);
      },
      count: () => slots.count(),
      close: () => slots.close(),
    };
  }

  async dispose(): Promise<void> {
    await this.sandboxes.destroyAll();
    await rm(this.directory, { recursive: true, force: true });
  }
}
