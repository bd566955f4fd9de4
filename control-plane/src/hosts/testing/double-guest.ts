import type { ChildProcess } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join, normalize } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { WarrenError } from "@warren/contracts/errors";
import {
  type CreateSandboxRequest,
  SandboxSpecSchema,
  SandboxStatus,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { rpcError } from "./double-errors.ts";

/** A directory and processes of this machine that stand for a guest. */
export class DoubleGuest {
  readonly request: CreateSandboxRequest;
  readonly directory: string;
  readonly processes = new Set<ChildProcess>();
  status = "running";
  /** The host has paused it by itself. */
  autoPaused = false;
  /** It has a pause that it can return to. */
  wasPaused = false;
  /** Its agent does not answer. */
  silent = false;
  /** Milliseconds that the last command was given; 0 = no limit. */
  timeLimit: number | undefined;
  /** Why it is in its status, as the host says. */
  reason: { code: string; message: string; atUnixMs: bigint } | undefined;
  /** What it takes of the host's disk, as the host says. */
  diskBytes = 0n;
  /** Bytes that left streamed commands, and that they took. */
  readonly streamed = { output: 0, input: 0 };
  readonly #createdAt = Date.now();
  #lastActiveAt = this.#createdAt;

  private constructor(directory: string, request: CreateSandboxRequest) {
    this.directory = directory;
    this.request = request;
  }

  static async create(directory: string, request: CreateSandboxRequest): Promise<DoubleGuest> {
    await mkdir(directory, { recursive: true });
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

  /** Kills all processes. */
  kill(): void {
    for (const child of this.processes) child.kill("SIGKILL");
  }

  async destroy(): Promise<void> {
    this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}
