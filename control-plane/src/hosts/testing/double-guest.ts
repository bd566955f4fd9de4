import type { ChildProcess } from "node:child_process";
import { cp, mkdir, rm } from "node:fs/promises";
import { join, normalize } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { WarrenError } from "@warren/contracts/errors";
import {
  type CreateSandboxRequest,
  SandboxSpecSchema,
  SandboxStatus,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { rpcError } from "./double-errors.ts";
import type { DoubleProcess } from "./double-processes.ts";

/** A directory and processes of this machine that stand for a guest. */
export class DoubleGuest {
  readonly request: CreateSandboxRequest;
  readonly directory: string;
  readonly processes = new Set<ChildProcess>();
  /** Commands that can be found: those that run, and those of the background that have ended. */
  readonly commands: DoubleProcess[] = [];
  /** Who is told when these are others. */
  readonly commandWatchers = new Set<() => void>();
  status = "running";
  /** The host has paused it by itself. */
  autoPaused = false;
  /** Its agent does not answer. */
  silent = false;
  /** Milliseconds that the last command was given; 0 = no limit. */
  timeLimit: number | undefined;
  /** Why it is in its status, as the host says. */
  reason: { code: string; message: string; console?: string; atUnixMs: bigint } | undefined;
  /** What it takes of the host's disk, as the host says. */
  diskBytes = 0n;
  /** Bytes that left streamed commands, and that they took. */
  readonly streamed = { output: 0, input: 0 };
  #wasPaused = false;
  #changes = Promise.resolve();
  readonly #createdAt = Date.now();
  #lastActiveAt = this.#createdAt;

  private constructor(directory: string, request: CreateSandboxRequest) {
    this.directory = directory;
    this.request = request;
  }

  /** Makes it with the files of a template, if that has some. */
  static async create(directory: string, request: CreateSandboxRequest, files?: string): Promise<DoubleGuest> {
    if (files === undefined) await mkdir(directory, { recursive: true });
    else await copyFiles(files, directory);
    return new DoubleGuest(directory, request);
  }

  /** Environment of every process of the sandbox. */
  get env(): Record<string, string> {
    return { PATH: process.env.PATH ?? "", HOME: this.directory, ...this.request.env };
  }

  /** Path on this machine of a path in the guest. */
  path(guestPath: string): string {
    return join(this.directory, normalize(`/${guestPath}`));
  }

  tellCommandWatchers(): void {
    for (const tell of this.commandWatchers) tell();
  }

  /** Throws unless the sandbox can be used, which counts as activity. */
  requireRunning(): void {
    if (this.status !== "running") throw new WarrenError("invalid_state", `the sandbox is ${this.status}`);
    if (this.silent) throw rpcError("guest_unreachable", "the sandbox does not answer");
    this.#lastActiveAt = Date.now();
  }

  info() {
    const { sandboxId, teamId, spec } = this.request;
    const hostIp = this.status === "running" ? "10.11.0.1" : "";
    const times = { createdAtUnixMs: BigInt(this.#createdAt), lastActiveAtUnixMs: BigInt(this.#lastActiveAt) };
    const reason = this.reason && { reason: this.reason };
    return {
      sandboxId,
      teamId,
      ...(spec && { spec }),
      status: SandboxStatus[this.status.toUpperCase() as keyof typeof SandboxStatus],
      hostIp,
      diskBytes: this.diskBytes,
      ...times,
      ...reason,
    };
  }

  /** Changes settings; what is undefined stays. */
  change(settings: MessageInitShape<typeof SandboxSpecSchema> | undefined): void {
    const given = Object.entries(settings ?? {}).filter(([, value]) => value !== undefined);
    this.request.spec = create(SandboxSpecSchema, { ...this.request.spec, ...Object.fromEntries(given) });
  }

  /** A copy under another id, with what its files are now. */
  async copy(directory: string, sandboxId: string): Promise<DoubleGuest> {
    await copyFiles(this.directory, directory);
    return new DoubleGuest(directory, { ...structuredClone(this.request), sandboxId });
  }

  /** Keeps its files as they are, to return to them. */
  pause(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.status === "running") await copyFiles(this.directory, this.#paused);
      this.#wasPaused = true;
      this.status = "paused";
      for (const reader of this.commands.flatMap(({ readers }) => [...readers])) {
        reader.breakOff(new WarrenError("invalid_state", "the sandbox was paused"));
      }
      this.tellCommandWatchers();
      this.diskBytes = 4096n;
    });
  }

  async pauseForInactivity(): Promise<void> {
    await this.pause();
    const message = `nothing used it for ${this.request.spec?.timeoutSec ?? 0} s`;
    this.reason = { code: "inactivity", message, atUnixMs: BigInt(Date.now()) };
    this.autoPaused = true;
  }

  resume(): Promise<void> {
    return this.#inTurn(async () => {
      this.status = "running";
      this.reason = undefined;
      this.autoPaused = false;
    });
  }

  /** Returns to its last pause. */
  rollBack(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#wasPaused) {
        throw new WarrenError("invalid_state", `sandbox ${this.request.sandboxId} was never paused`);
      }
      if (this.status === "paused") return;
      this.kill();
      await copyFiles(this.#paused, this.directory);
      this.status = "paused";
      this.reason = undefined;
    });
  }

  /** Does one thing after the other to it, as a host does. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.#changes.then(change);
    this.#changes = done.catch(() => undefined);
    return done;
  }

  get #paused(): string {
    return `${this.directory}.paused`;
  }

  /** Kills all processes. */
  kill(): void {
    for (const child of this.processes) child.kill("SIGKILL");
  }

  async destroy(): Promise<void> {
    this.kill();
    for (const path of [this.directory, this.#paused]) await rm(path, { recursive: true, force: true });
  }
}

/** Makes `to` a directory with the files of another, and nothing else. */
async function copyFiles(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
}
