import { closeSync } from "node:fs";
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { pino } from "pino";
import type { DiskImage } from "../../disk/disk.ts";
import { createQcow2Store } from "../../disk/qcow2/store.ts";
import { GuestClient } from "../../guest/client.ts";
import type { ensureImages } from "../../images/ensure.ts";
import type { BootImages } from "../../images/images.ts";
import { copyFileRange, nextData } from "../../linux/file-ranges.ts";
import { createSealedMemory, SEALED_PREFIX } from "../../linux/sealed-memory.ts";
import type { MemoryFile } from "../../memory/guest-memory.ts";
import { GUEST_NETWORK, guestNetworkParameters, type Slot, type SlotPool } from "../../network/network.ts";
import type { createSlotPool } from "../../network/slot-pool.ts";
import type { DeviceState, Machine, Vm, Vmm } from "../vmm.ts";
import { composeMemory } from "./compose-memory.ts";

/** Shared by all tests that boot microVMs, and by runs of them: images are built when they are missing or out of date. */
const IMAGES = resolve(process.env.WARREN_TEST_IMAGES ?? "/var/lib/warren/images");
const SOURCE_ROOT = resolve(import.meta.dirname, "../../../..");
const MIB = 1024 * 1024;
/** The first user id of tests, apart from those of host agents. */
const FIRST_UID = 650_000;
export const READY = "warren-guest-agent: ready";

/** A microVM at a standstill, from which others continue. */
export interface SavedVm {
  machine: Machine;
  memoryFile: string;
  state: string;
  disk: DiskImage;
}

/** What the microVMs of a test are made with, beside the VMM. */
export interface TestPlatform {
  ensureImages: typeof ensureImages;
  createSlots: typeof createSlotPool;
}

/** What tests of a VMM need of a host: images, network slots and disks, all real, in a folder of their own. */
export class TestHost {
  readonly images: BootImages;
  readonly folder: string;
  readonly #slots: SlotPool;
  readonly #store = createQcow2Store();
  readonly #taken: { slot: Slot; machine: Machine }[] = [];
  /** Sealed memory of clones, with the file that it is a copy of. */
  readonly #sealed = new Map<string, { memory: MemoryFile; source: string }>();
  #files = 0;

  private constructor(images: BootImages, folder: string, slots: SlotPool) {
    this.images = images;
    this.folder = folder;
    this.#slots = slots;
  }

  static async open({ ensureImages, createSlots }: TestPlatform): Promise<TestHost> {
    const progress = (step: string, detail?: string) => console.log(`${step}: ${detail ?? ""}`);
    const images = await ensureImages({ directory: IMAGES, sourceRoot: SOURCE_ROOT, withNode: false, progress });
    const folder = await mkdtemp(join(tmpdir(), "warren-vmm-"));
    const slots = await createSlots({ dataDirectory: folder, spare: 0, logger: pino({ level: "silent" }) });
    return new TestHost(images, folder, slots);
  }

  /** Ends whatever a test left running, and removes all of it. */
  async close(vmm: Vmm): Promise<void> {
    await this.releaseAll(vmm);
    await this.#slots.close();
    for (const { memory } of this.#sealed.values()) closeSync(memory.sealed!);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Ends what is running. Each is tried, whatever becomes of the others. */
  async releaseAll(vmm: Vmm): Promise<void> {
    const failures: unknown[] = [];
    for (const { slot, machine } of this.#taken.splice(0)) {
      await vmm
        .sweep(machine.jail)
        .then(() => this.#slots.release(slot))
        .catch((error) => failures.push(error));
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.join("; "));
  }

  /** A machine that boots from the images, with a disk and a memory file of its own. */
  async machine(shape: Pick<Machine, "vcpus" | "memoryMb">, kernel: string): Promise<Machine> {
    const disk = await this.layer({ layers: [{ path: this.images.base.path, format: this.images.base.format }] });
    const memoryFile = this.path("memory");
    await writeFile(memoryFile, "");
    await truncate(memoryFile, shape.memoryMb * MIB);
    return this.#place({
      ...shape,
      kernel,
      initramfs: this.images.initramfs,
      kernelArguments: ["warren.root=/dev/vda", ...guestNetworkParameters(["8.8.8.8"]), "warren.hostname=warren"],
      disk,
      memory: { file: { path: memoryFile, own: true } },
    });
  }

  /** A machine that goes on from a saved one on an empty layer over its disk. */
  async clone({ machine, memoryFile, disk }: SavedVm): Promise<Machine> {
    const memory = { file: await this.#seal(memoryFile) };
    return this.#place({ ...machine, memory, disk: await this.layer(disk) });
  }

  /** Saves a microVM in files and ends it. */
  async saveAndKill(vm: Vm, machine: Machine): Promise<SavedVm> {
    const saved = await this.save(await vm.saveDeviceState(), vm, machine);
    await vm.kill();
    return saved;
  }

  /** Copies the memory and device state of a microVM that stands still. */
  async save(state: DeviceState, vm: Vm, machine: Machine): Promise<SavedVm> {
    const memoryFile = this.path("memory");
    const { path } = machine.memory.file;
    await composeMemory(await vm.memoryMapping(), this.#sealed.get(path)?.source ?? path, memoryFile);
    return { machine, memoryFile, state: state.path, disk: machine.disk };
  }

  /** A disk with an empty layer above another disk. */
  async layer(below: DiskImage): Promise<DiskImage> {
    const path = this.path("qcow2");
    await this.#store.create(path, this.images.base);
    return { layers: [{ path, format: "qcow2" }, ...below.layers] };
  }

  /** Runs a shell script as root in the guest of a machine and returns what it prints. */
  async run(machine: Machine, script: string): Promise<string> {
    const client = new GuestClient(this.#slotOf(machine).hostIp, GUEST_NETWORK.agentPort, "");
    let output = "";
    try {
      const command = { cmd: "/bin/sh", args: ["-c", script], env: {}, user: "root", timeoutMs: 0, stdin: false };
      for await (const event of client.commands.run(command)) {
        if (event.type === "stdout" || event.type === "stderr") output += Buffer.from(event.data).toString();
        if (event.type === "ended" && event.exitCode !== 0) throw new Error(`status ${event.exitCode}: ${output}`);
      }
      return output;
    } finally {
      client.close();
    }
  }

  path(kind: string): string {
    this.#files += 1;
    return join(this.folder, `${this.#files}.${kind}`);
  }

  /** The sealed copy of a memory file, the same for all who ask. */
  async #seal(source: string): Promise<MemoryFile> {
    const path = `${SEALED_PREFIX}${basename(source)}`;
    const known = this.#sealed.get(path);
    if (known !== undefined) return known.memory;
    const file = await open(source, "r");
    try {
      const { size } = await file.stat();
      const sealed = await createSealedMemory(basename(source), size, async (target) => {
        for (let data = nextData(file.fd, 0); data !== undefined; data = nextData(file.fd, data.end)) {
          await copyFileRange(file.fd, data.start, target, data.start, data.end - data.start);
        }
      });
      const memory = { path, own: false, sealed };
      this.#sealed.set(path, { memory, source });
      return memory;
    } finally {
      await file.close();
    }
  }

  #slotOf(machine: Machine): Slot {
    const taken = this.#taken.find(({ machine: { id } }) => id === machine.id);
    if (!taken) throw new Error(`machine ${machine.id} has no slot`);
    return taken.slot;
  }

  async #place(parts: Omit<Machine, "id" | "network" | "jail">): Promise<Machine> {
    const slot = await this.#slots.acquire();
    const id = `sbtest${process.pid}n${this.#files}`;
    const jail = {
      directory: this.path("jail"),
      uid: FIRST_UID + slot.number,
      cgroup: `warren-test-${process.pid}/${id}`,
    };
    const machine = { ...parts, id, network: slot.attachment, jail };
    this.#taken.push({ slot, machine });
    return machine;
  }
}
