import { closeSync, constants, openSync } from "node:fs";
import { BPF_ATTRIBUTES, bpf } from "../linux/bpf.ts";
import { addressOf } from "../linux/process-memory.ts";
import type { AllowedDevice } from "./devices.ts";

/** Commands, program and attach types of bpf(2), include/uapi/linux/bpf.h. */
const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_QUERY = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
/** Programs of the groups above are asked too, and each can refuse. */
const BPF_F_ALLOW_MULTI = 2;

/** Of `struct bpf_cgroup_dev_ctx`. */
const DEVICE_TYPES = { block: 1, char: 2 } as const;
const ACCESS = { r: 2, w: 4, rw: 6 } as const;

/** Instructions (Documentation/bpf/instruction-set.rst): code, destination, source, jump, constant. */
type Instruction = [code: number, destination: number, source: number, jump: number, constant: number];
const LOAD_WORD = 0x61;
const COPY = 0xbf;
const SET = 0xb7;
const AND = 0x57;
const SHIFT_RIGHT = 0x77;
const JUMP_IF_NOT_EQUAL = 0x55;
const EXIT = 0x95;

/** Registers: the result, the context, and what is read from it. */
const [RESULT, CONTEXT, TYPE, ACCESS_BITS, MAJOR, MINOR] = [0, 1, 2, 3, 4, 5] as const;

/** The program that allows these devices and no other. */
function instructions(devices: readonly AllowedDevice[]): Instruction[] {
  return [
    [LOAD_WORD, TYPE, CONTEXT, 0, 0],
    [LOAD_WORD, MAJOR, CONTEXT, 4, 0],
    [LOAD_WORD, MINOR, CONTEXT, 8, 0],
    [COPY, ACCESS_BITS, TYPE, 0, 0],
    [AND, TYPE, 0, 0, 0xffff],
    [SHIFT_RIGHT, ACCESS_BITS, 0, 0, 16],
    // Each device takes eight instructions; a comparison that fails goes on with the next device.
    ...devices.flatMap(({ type, major, minor, access }): Instruction[] => [
      [JUMP_IF_NOT_EQUAL, TYPE, 0, 7, DEVICE_TYPES[type]],
      [JUMP_IF_NOT_EQUAL, MAJOR, 0, 6, major],
      [JUMP_IF_NOT_EQUAL, MINOR, 0, 5, minor],
      [COPY, RESULT, ACCESS_BITS, 0, 0],
      [AND, RESULT, 0, 0, ~ACCESS[access]],
      [JUMP_IF_NOT_EQUAL, RESULT, 0, 2, 0],
      [SET, RESULT, 0, 0, 1],
      [EXIT, 0, 0, 0, 0],
    ]),
    [SET, RESULT, 0, 0, 0],
    [EXIT, 0, 0, 0, 0],
  ];
}

function encode(list: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(8 * list.length);
  for (const [index, [code, destination, source, jump, constant]] of list.entries()) {
    bytes.writeUInt8(code, 8 * index);
    bytes.writeUInt8(destination | (source << 4), 8 * index + 1);
    bytes.writeInt16LE(jump, 8 * index + 2);
    bytes.writeInt32LE(constant, 8 * index + 4);
  }
  return bytes;
}

/**
 * A program of the kernel that says which devices the processes of a group may open, as the devices controller does in
 * version 1 (Documentation/admin-guide/cgroup-v2.rst, "Device controller").
 */
export class DeviceProgram {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Loads it once for this process. Throws with the code of the system where the kernel or its settings have none. */
  static load(devices: readonly AllowedDevice[]): DeviceProgram {
    const list = instructions(devices);
    const program = encode(list);
    // One buffer holds all that the kernel is pointed to, and is there for as long as the call.
    const memory = Buffer.concat([Buffer.alloc(BPF_ATTRIBUTES), program, Buffer.from("Apache-2.0\0")]);
    const address = addressOf(memory) + BigInt(BPF_ATTRIBUTES);
    memory.writeUInt32LE(BPF_PROG_TYPE_CGROUP_DEVICE, 0);
    memory.writeUInt32LE(list.length, 4);
    memory.writeBigUInt64LE(address, 8);
    memory.writeBigUInt64LE(address + BigInt(program.length), 16);
    return new DeviceProgram(bpf(BPF_PROG_LOAD, memory));
  }

  /** Bounds a group, unless it is bounded already. The program stays with the group, whatever becomes of this process. */
  attach(directory: string): void {
    const group = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      if (attachedPrograms(group) > 0) return;
      const attributes = Buffer.alloc(BPF_ATTRIBUTES);
      attributes.writeUInt32LE(group, 0);
      attributes.writeUInt32LE(this.#fd, 4);
      attributes.writeUInt32LE(BPF_CGROUP_DEVICE, 8);
      attributes.writeUInt32LE(BPF_F_ALLOW_MULTI, 12);
      bpf(BPF_PROG_ATTACH, attributes);
    } finally {
      closeSync(group);
    }
  }
}

function attachedPrograms(group: number): number {
  const attributes = Buffer.alloc(BPF_ATTRIBUTES);
  attributes.writeUInt32LE(group, 0);
  attributes.writeUInt32LE(BPF_CGROUP_DEVICE, 4);
  bpf(BPF_PROG_QUERY, attributes);
  return attributes.readUInt32LE(24);
}
