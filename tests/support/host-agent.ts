import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHostClient, type HostAgent } from "@warren/control-plane/hosts/host-client";
import { type HostProgram, type Server, startHostAgentProcess, sweep } from "./stack.ts";

/** Lines of the logs of its processes that are kept: those of some ten of them that were killed. */
const LOG_LINES = 400;

/** A host agent on a data directory of its own, without a control plane. */
export class HostAgentFixture {
  readonly directory: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #flags: string[];
  readonly #program: HostProgram | undefined;
  readonly #client: ReturnType<typeof createHostClient>;
  #server: Server | undefined;
  #formerLog: readonly string[] = [];

  private constructor(
    directory: string,
    environment: NodeJS.ProcessEnv,
    flags: string[],
    program: HostProgram | undefined,
  ) {
    this.directory = directory;
    this.#environment = environment;
    this.#flags = flags;
    this.#program = program;
    this.#client = createHostClient(this.address);
  }

  /**
   * Starts it in a new directory of `parent`. `environment` is added to that of this process, `flags` to its arguments;
   * `program` is another one than the product's.
   */
  static async start(
    environment: NodeJS.ProcessEnv = {},
    flags: string[] = [],
    parent = tmpdir(),
    program?: HostProgram,
  ): Promise<HostAgentFixture> {
    const directory = await mkdtemp(join(parent, "warren-test-"));
    const fixture = new HostAgentFixture(directory, environment, flags, program);
    try {
      await fixture.restart();
    } catch (error) {
      await fixture.dispose();
      throw error;
    }
    return fixture;
  }

  /** Address of its calls. */
  get address(): string {
    return `unix:${join(this.directory, "agent.sock")}`;
  }

  /** Calls to it; the connection is made anew after each end of the agent. */
  get calls(): HostAgent {
    return this.#client.agent;
  }

  /** Last lines of its log, those of the processes before this one included. */
  get log(): readonly string[] {
    return [...this.#formerLog, ...(this.#server?.log ?? [])].slice(-LOG_LINES);
  }

  /** Starts it again after `kill`; resolves when it has taken up what was there. */
  async restart(): Promise<void> {
    this.#server = await startHostAgentProcess(this.directory, this.#environment, this.#flags, this.#program);
  }

  /** Ends it with SIGKILL. */
  async kill(): Promise<void> {
    await this.#server?.kill();
    this.#forget();
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#forget();
  }

  #forget(): void {
    this.#formerLog = this.log;
    this.#server = undefined;
  }

  /** Ends it, destroys every sandbox and removes the data directory. */
  async dispose(): Promise<void> {
    this.#client.close();
    await this.stop();
    await sweep(this.directory, this.#program);
    await rm(this.directory, { recursive: true, force: true });
  }
}
