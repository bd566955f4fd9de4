import { randomBytes } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import { BASE_TEMPLATE, SANDBOX_ID } from "@warren/contracts/identifiers";
import type { Logger } from "pino";
import type { DiskStore } from "../disk/disk.ts";
import { GuestClient, type GuestIdentity } from "../guest/client.ts";
import type { BootImages } from "../images/images.ts";
import { GUEST_NETWORK, type Slot, type SlotPool } from "../network/network.ts";
import type { Vm, Vmm } from "../vmm/vmm.ts";
import { type CapacityLimits, requireRoom } from "./capacity.ts";
import type { Journal, SandboxRecord } from "./journal.ts";
import { createMachineFiles, describeJail, describeMachine, type GuestNames } from "./machine.ts";
import { Sandbox } from "./sandbox.ts";

/** Line that the guest agent prints on the console when it listens. */
const READY_LINE = "warren-guest-agent: ready";
/** Bytes of randomness given to a guest at each start. */
const ENTROPY_BYTES = 64;

/** What a caller decides about a new sandbox. */
export interface NewSandbox {
  id: string;
  teamId: string;
  template: string;
  vcpus: number;
  /** MiB. */
  memoryMb: number;
  /** Seconds; 0 = never. */
  timeoutSec: number;
  env: Record<string, string>;
}

/** Parts that the sandboxes of one host are made from. */
export interface SandboxParts {
  dataDirectory: string;
  journal: Journal;
  vmm: Vmm;
  slots: SlotPool;
  disks: DiskStore;
  /** Files that new sandboxes boot from. */
  images: () => BootImages;
  limits: CapacityLimits;
  names: GuestNames;
  /** Milliseconds from the first instruction of a microVM to its guest agent's readiness. */
  bootLimitMs: number;
  log: Logger;
}

/** The sandboxes of one host. */
export class SandboxService {
  readonly #parts: SandboxParts;
  readonly #sandboxes = new Map<string, Sandbox>();

  constructor(parts: SandboxParts) {
    this.#parts = parts;
  }

  list(): Sandbox[] {
    return [...this.#sandboxes.values()];
  }

  /** The sandbox with this id, or `not_found`. */
  get(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new WarrenError("not_found", `there is no sandbox ${id} on this host`);
    return sandbox;
  }

  /** Boots a sandbox. A repeated call with the id of a live one is refused with `already_exists`. */
  async create(request: NewSandbox): Promise<Sandbox> {
    if (!SANDBOX_ID.test(request.id)) throw new WarrenError("invalid_request", `${request.id} is not a sandbox id`);
    if (request.template !== BASE_TEMPLATE) {
      throw new WarrenError("template_not_found", `there is no template ${request.template} on this host`);
    }
    if (this.#sandboxes.has(request.id)) {
      throw new WarrenError("already_exists", `there is a sandbox ${request.id} already`);
    }
    const sandbox = new Sandbox(this.#newRecord(request));
    this.#sandboxes.set(sandbox.id, sandbox);
    await sandbox.lifecycle.perform("create", async () => {
      try {
        await this.#requireRoom(sandbox);
        await this.#boot(sandbox);
      } catch (error) {
        this.#parts.log.warn({ sandbox: sandbox.id, err: error }, "sandbox did not start");
        await this.#tearDown(sandbox, new WarrenError("not_found", `sandbox ${sandbox.id} did not start`));
        throw error;
      }
    });
    return sandbox;
  }

  /** Ends a sandbox in any state; one that is gone already is not an error. */
  async destroy(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) return;
    await sandbox.lifecycle.perform("destroy", () =>
      this.#tearDown(sandbox, new WarrenError("not_found", `sandbox ${id} was destroyed`)),
    );
  }

  /** Destroys every sandbox, for a host agent whose sandboxes must not outlive it. */
  async destroyAll(): Promise<void> {
    await Promise.all(this.list().map((sandbox) => this.destroy(sandbox.id)));
  }

  /** Lets every operation end and lets go of the microVMs, which run on until the next start of the agent. */
  async release(): Promise<void> {
    await Promise.all(
      this.list().map(async (sandbox) => {
        await sandbox.lifecycle.settled();
        const live = sandbox.detach(new WarrenError("host_unavailable", "the host agent is stopping; try again"));
        live?.guest.close();
        await live?.vm.detach();
      }),
    );
  }

  /**
   * Takes up what an earlier host agent left: live microVMs are adopted, everything else that is not at rest is removed.
   * Must end before the first call of another method.
   */
  async recover(): Promise<void> {
    const { journal, slots, log } = this.#parts;
    const { records, unreadable } = await journal.load();
    await Promise.all(records.map((record) => this.#recoverOne(new Sandbox(record))));
    for (const { id, reason } of unreadable) {
      log.warn({ sandbox: id, reason }, "removing a sandbox directory without a usable record");
      await journal.remove(id);
    }
    await slots.sweep(new Set(this.list().flatMap(({ record }) => record.slot ?? [])));
  }

  async #recoverOne(sandbox: Sandbox): Promise<void> {
    const { journal, vmm, slots, names, log } = this.#parts;
    const { record } = sandbox;
    this.#sandboxes.set(sandbox.id, sandbox);
    if (record.status === "running" && record.slot && record.process) {
      try {
        const slot = await slots.adopt(record.slot);
        const machine = describeMachine(record, journal.directory(record.id), slot, names);
        const vm = await vmm.adopt(machine, record.process);
        if (vm) {
          this.#attach(sandbox, vm, slot);
          log.info({ sandbox: record.id }, "adopted a live sandbox");
          return;
        }
      } catch (error) {
        log.error({ sandbox: record.id, err: error }, "cannot adopt a sandbox");
      }
    }
    log.info({ sandbox: record.id, status: record.status }, "removing a sandbox that did not outlive the host agent");
    await this.#tearDown(sandbox, new WarrenError("not_found", `sandbox ${record.id} is gone`));
  }

  #newRecord(request: NewSandbox): SandboxRecord {
    const images = this.#parts.images();
    return {
      version: 1,
      ...request,
      status: "starting",
      createdAt: Date.now(),
      token: randomBytes(24).toString("hex"),
      boot: {
        kernel: images.vmlinuz,
        initramfs: images.initramfs,
        base: images.base.path,
        baseFormat: images.base.format,
        virtualSize: images.base.virtualSize,
      },
    };
  }

  async #requireRoom(sandbox: Sandbox): Promise<void> {
    const others = this.list().filter((other) => other !== sandbox && other.record.status !== "paused");
    const taken = { count: others.length, memoryMb: others.reduce((sum, other) => sum + other.record.memoryMb, 0) };
    await requireRoom(this.#parts.dataDirectory, this.#parts.limits, taken, sandbox.record.memoryMb);
  }

  async #boot(sandbox: Sandbox): Promise<void> {
    const { journal, vmm, slots, disks, names, bootLimitMs } = this.#parts;
    const { record } = sandbox;
    const slot = await slots.acquire();
    record.slot = slot.number;
    await journal.create(record);
    const directory = journal.directory(record.id);
    await createMachineFiles(record, directory, disks);
    const vm = await vmm.start(describeMachine(record, directory, slot, names), async (process) => {
      record.process = process;
      await journal.write(record);
    });
    const { guest } = this.#attach(sandbox, vm, slot);
    try {
      const limit = AbortSignal.any([AbortSignal.timeout(bootLimitMs), sandbox.lifecycle.destroySignal]);
      await vm.waitForConsole(READY_LINE, limit);
      await guest.init(this.#identity(record));
    } catch (error) {
      throw new WarrenError(
        "boot_failed",
        `sandbox ${record.id} did not boot. ${describeFailure(error, vm, bootLimitMs)}`,
        {
          cause: error,
        },
      );
    }
    sandbox.lifecycle.transition("running");
    record.status = "running";
    await journal.write(record);
    sandbox.touch();
  }

  #identity(record: SandboxRecord): GuestIdentity {
    return {
      sandboxId: record.id,
      templateId: record.template,
      token: record.token,
      env: record.env,
      hostname: record.id,
      defaultUser: "user",
      entropy: randomBytes(ENTROPY_BYTES),
    };
  }

  #attach(sandbox: Sandbox, vm: Vm, slot: Slot) {
    const guest = new GuestClient(slot.hostIp, GUEST_NETWORK.agentPort, sandbox.record.token);
    const live = { vm, slot, guest };
    sandbox.attach(live);
    void vm.exited.then((exit) => {
      if (exit.expected || sandbox.live?.vm !== vm) return;
      this.#parts.log.warn({ sandbox: sandbox.id, console: exit.consoleTail }, "the microVM ended by itself");
      this.destroy(sandbox.id).catch((error: unknown) => {
        this.#parts.log.error({ sandbox: sandbox.id, err: error }, "cannot remove a sandbox whose microVM ended");
      });
    });
    return live;
  }

  /**
   * Frees all that a sandbox holds, also when it is only half made. Each step is tried whatever became of the others; on
   * a failure the record stays, so that a later destroy or the next start of the agent finishes the work.
   */
  async #tearDown(sandbox: Sandbox, reason: WarrenError): Promise<void> {
    const { journal, vmm, slots } = this.#parts;
    const { record } = sandbox;
    if (sandbox.lifecycle.status === "gone") return;
    if (sandbox.lifecycle.status !== "stopping") sandbox.lifecycle.transition("stopping");
    record.status = "stopping";
    const live = sandbox.detach(reason);
    const failures: unknown[] = [];
    const attempt = (work: Promise<unknown>) => work.catch((error: unknown) => failures.push(error));

    live?.guest.close();
    if (live) await attempt(live.vm.kill());
    if (record.slot !== undefined) {
      await attempt(journal.write(record));
      await attempt(vmm.sweep(describeJail(record.id, journal.directory(record.id), record.slot)));
      const slot = live?.slot ?? (await slots.adopt(record.slot).catch(() => undefined));
      if (slot && failures.length === 0) await attempt(slots.release(slot));
    }
    if (failures.length > 0) throw failures[0];
    await journal.remove(record.id);
    sandbox.lifecycle.transition("gone");
    this.#sandboxes.delete(sandbox.id);
  }
}

function describeFailure(error: unknown, vm: Vm, limitMs: number): string {
  const timedOut = error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError");
  const why = timedOut
    ? `Its guest agent was not ready within ${limitMs / 1000} s.`
    : error instanceof Error
      ? error.message
      : String(error);
  const tail = vm.consoleTail().trimEnd().split("\n").slice(-20).join("\n");
  return tail ? `${why} Last lines of its console:\n${tail}` : `${why} Its console is empty.`;
}
