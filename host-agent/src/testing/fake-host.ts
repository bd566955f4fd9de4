import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { openHost } from "../host.ts";
import { ensureFakeImages } from "../images/testing/fake-images.ts";
import { runCommand } from "../sandboxes/commands.ts";
import type { SandboxService } from "../sandboxes/service.ts";
import { newSandbox } from "../sandboxes/testing/new-sandbox.ts";
import { readSettings } from "../settings.ts";
import { FAKE_MACHINERY } from "./fake-machinery.ts";

/** The sandboxes of a data directory of a test's own, on the fake VMM. All of it goes with the test. */
export class FakeHost {
  readonly directory: string;
  readonly #environment: NodeJS.ProcessEnv;
  /** Messages of the log, from warnings on. */
  readonly warnings: string[] = [];
  sandboxes!: SandboxService;

  private constructor(directory: string, environment: NodeJS.ProcessEnv) {
    this.directory = directory;
    this.#environment = environment;
  }

  /** Opens it in a new directory, without a warm pool unless `environment`, the settings of an operator, says otherwise. */
  static async open(environment: NodeJS.ProcessEnv = {}): Promise<FakeHost> {
    const directory = await mkdtemp(join(tmpdir(), "warren-fake-"));
    const host = new FakeHost(directory, { WARREN_WARM_POOL: "0", ...environment });
    onTestFinished(() => host.#dispose());
    await host.reopen();
    return host;
  }

  /** Opens the directory again, as the next host agent does, after `release`. */
  async reopen(): Promise<void> {
    const images = await ensureFakeImages({ directory: join(this.directory, "images") });
    const { sandboxes } = await openHost({
      dataDirectory: this.directory,
      settings: readSettings(this.#environment),
      machine: FAKE_MACHINERY,
      images: { directory: join(this.directory, "images"), boot: images },
      log: pino({ level: "warn" }, { write: (line: string) => void this.warnings.push(JSON.parse(line).msg) }),
    });
    this.sandboxes = sandboxes;
  }

  /** Leaves the microVMs to the next host agent. */
  async release(): Promise<void> {
    await this.sandboxes.release();
  }

  /** Creates a small sandbox. */
  create(id: string, changes: Partial<ReturnType<typeof newSandbox>> = {}) {
    return this.sandboxes.create({ ...newSandbox(id), ...changes });
  }

  /** What a shell script prints in a sandbox; throws with it when it fails. */
  async run(id: string, script: string): Promise<string> {
    const sandbox = await this.sandboxes.awake(id);
    const command = { cmd: "sh", args: ["-c", script], env: {}, timeoutMs: 0, stdin: false };
    const { stdout, stderr, exitCode } = await runCommand(sandbox, command, undefined);
    if (exitCode !== 0) throw new Error(`status ${exitCode}: ${stdout}${stderr}`);
    return stdout.toString();
  }

  /** The process of the microVM of a sandbox. */
  pid(id: string): number {
    const { process } = this.sandboxes.get(id).record;
    if (!process) throw new Error(`sandbox ${id} has no microVM`);
    return process.pid;
  }

  async #dispose(): Promise<void> {
    await this.sandboxes.destroyAll();
    await rm(this.directory, { recursive: true, force: true });
  }
}
