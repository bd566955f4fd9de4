import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { NODE_FLAGS } from "@warren/server/node-flags";
import type { Readiness } from "@warren/server/supervision";
import type { ProgressStep } from "../terminal/progress.ts";
import { LastLines } from "./last-lines.ts";

/** Lines of log kept per server, to be shown when it dies. */
const KEPT_LINES = 40;

/** Milliseconds that a server has to end after SIGTERM before it is killed. */
const STOP_LIMIT_MS = 30_000;

/** How to start a server that follows docs/processes.md. */
export interface ServerCommand {
  /** Name in messages, such as "control plane". */
  name: string;
  /** Program file and arguments of this Node. */
  args: string[];
  env: Record<string, string | undefined>;
  cwd: string;
  /** Descriptor of the data directory's lock, inherited as descriptor 4. */
  lockFd: number;
  onProgress?: (step: ProgressStep) => void;
  /** Takes every complete line of the server's log. */
  onLog?: (line: string) => void;
}

/** A server that ended, or said that it cannot start. The message is for the user. */
export class ServerError extends Error {
  override readonly name = "ServerError";
  /** Code of the catalogue, where the server itself said why. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

/** A server run as a child process, which ends with this process however that ends. */
export class ServerProcess {
  readonly name: string;
  /** Resolves when the process is gone; tells why unless `stop` or `kill` asked for it. Never rejects. */
  readonly exited: Promise<ServerError | undefined>;
  readonly #child: ChildProcess;
  readonly #log = new LastLines(KEPT_LINES);
  readonly #ready: Promise<string>;
  #stopping = false;
  /** What a server that is ready has to say to people. */
  notes: readonly string[] = [];

  private constructor(command: ServerCommand) {
    this.name = command.name;
    this.#child = spawn(process.execPath, [...NODE_FLAGS, ...command.args], {
      cwd: command.cwd,
      env: { ...process.env, ...command.env },
      stdio: ["pipe", "pipe", "pipe", "pipe", command.lockFd],
      // A session of its own: the ^C of a terminal reaches this process alone, which then ends the servers in order.
      detached: true,
    });
    this.#child.stdin?.on("error", () => undefined);
    const spawnError = new Promise<Error>((resolve) => this.#child.once("error", resolve));
    const closed = new Promise<void>((resolve) => this.#child.once("close", () => resolve()));
    this.exited = Promise.race([closed, spawnError]).then((error) => {
      return this.#stopping ? undefined : this.#death(error ?? undefined);
    });
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      output?.setEncoding("utf8");
      output?.on("data", (piece: string) => {
        for (const line of this.#log.add(piece)) command.onLog?.(line);
      });
    }
    this.#ready = this.#readReport(this.#child.stdio[3] as Readable, command.onProgress);
  }

  /** Starts the server; `ready` waits for it. */
  static start(command: ServerCommand): ServerProcess {
    const server = new ServerProcess(command);
    // A server whose failure is learned of by `exited` alone.
    server.#ready.catch(() => undefined);
    return server;
  }

  /** Resolves with the server's address; throws ServerError with its own message when it cannot start. */
  ready(): Promise<string> {
    return this.#ready;
  }

  /** Last lines of its log. */
  logTail(): string {
    return this.#log.toString();
  }

  /** Asks the server to end and resolves when it is gone. One that does not obey is killed, which `false` tells. */
  async stop(): Promise<boolean> {
    this.#stopping = true;
    this.#child.kill("SIGTERM");
    let obeyed = true;
    const limit = setTimeout(() => {
      obeyed = false;
      this.#child.kill("SIGKILL");
    }, STOP_LIMIT_MS);
    await this.exited;
    clearTimeout(limit);
    return obeyed && this.#child.exitCode === 0;
  }

  /** Kills the server and resolves when it is gone. */
  async kill(): Promise<void> {
    this.#stopping = true;
    this.#child.kill("SIGKILL");
    await this.exited;
  }

  async #readReport(pipe: Readable, onProgress: ServerCommand["onProgress"]): Promise<string> {
    try {
      for await (const line of createInterface({ input: pipe })) {
        const report = JSON.parse(line) as Report;
        if ("progress" in report) onProgress?.(report.progress);
        else if (report.ready) {
          this.notes = report.notes ?? [];
          return report.url;
        } else throw new ServerError(report.error.message, report.error.code);
      }
    } catch (error) {
      if (error instanceof ServerError) throw error;
      throw new ServerError(`The ${this.name} reported something that is not in its contract: ${error}`);
    }
    throw (await this.exited) ?? new ServerError(`The ${this.name} was ended before it was ready.`);
  }

  #death(error: Error | undefined): ServerError {
    const { exitCode, signalCode } = this.#child;
    const how = error
      ? `could not be run: ${error.message}`
      : `ended ${signalCode ? `by ${signalCode}` : `with status ${exitCode}`}`;
    const log = this.logTail();
    return new ServerError(`The ${this.name} ${how}.${log === "" ? "" : ` Its last lines:\n${log}`}`);
  }
}

/** Lines of the ready descriptor. */
type Report = { progress: ProgressStep } | Readiness;
