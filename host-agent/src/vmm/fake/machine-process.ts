/**
 * The process of a fake microVM: maps the memory that it inherits, opens its disk, and runs a guest of a few programs. Started
 * by the driver with a description of the machine; stands still until it is asked to run.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { crc32 } from "node:zlib";
import {
  type Answer,
  DESCRIPTORS,
  FILES,
  type MachineConfig,
  onLines,
  type ProcessEvent,
  type Question,
} from "./control.ts";
import { GuestAgent } from "./guest-agent.ts";
import { GuestDisk } from "./guest-disk.ts";
import { GuestKernel, Panic } from "./guest-kernel.ts";
import { GuestMemory } from "./guest-memory.ts";

const MIB = 1024 * 1024;
const STATE_MAGIC = "warren fake state 1";
/** Bytes of the device state, as those of QEMU have. */
const STATE_BYTES = 13_000;

const config = JSON.parse(process.argv[2] ?? "") as MachineConfig;
const memory = new GuestMemory(DESCRIPTORS.memory, config.memoryMb * MIB);
const disk = new GuestDisk(config.layers);
const consoles = new Set<Socket>();
const controls = new Set<Socket>();
let kernel: GuestKernel | undefined;

createServer((socket) => {
  consoles.add(socket);
  socket.on("error", () => undefined).on("close", () => consoles.delete(socket));
}).listen({ fd: DESCRIPTORS.console });

createServer((socket) => {
  controls.add(socket);
  socket.on("error", () => undefined).on("close", () => controls.delete(socket));
  onLines<Question>(socket, (question) => {
    void answer(question).then((error) => {
      const said: Answer = { id: question.id, ...(error === undefined ? {} : { error }) };
      socket.write(`${JSON.stringify(said)}\n`);
    });
  });
}).listen({ fd: DESCRIPTORS.control });

/** Does what is asked for; gives the reason when it cannot. */
async function answer(question: Question): Promise<string | undefined> {
  try {
    await perform(question);
    return undefined;
  } catch (error) {
    if (error instanceof Panic) panic(error);
    return error instanceof Error ? error.message : String(error);
  }
}

async function perform(question: Question): Promise<void> {
  switch (question.call) {
    case "load":
      if (config.state === undefined) return;
      loadState(readFileSync(config.state));
      return;
    case "resume":
      kernel ??= config.state === undefined ? boot() : GuestKernel.resume(memory, disk);
      if (!agent) await listen(kernel);
      kernel.run();
      return;
    case "suspend":
      kernel?.stop();
      return;
    case "saveDeviceState": {
      kernel?.stop();
      writeFileSync(FILES.state, saveState());
      return;
    }
    case "stack":
      disk.stack(question.args?.path ?? "");
      return;
  }
}

function boot(): GuestKernel {
  print("fake kernel: booting");
  return GuestKernel.boot(memory, disk, readFileSync(config.kernel));
}

let agent: GuestAgent | undefined;
async function listen(guest: GuestKernel): Promise<void> {
  agent = new GuestAgent({ kernel: guest, vcpus: config.vcpus, processes: () => agent?.processes ?? 0, print, end });
  await agent.listen(config.address, config.port);
  if (config.state === undefined) print("warren-guest-agent: ready");
}

function print(text: string): void {
  for (const socket of consoles) socket.write(`${text}\r\n`);
}

function panic(error: Panic): void {
  print(`Kernel panic - not syncing: ${error.message}`);
  end("reset");
}

/** Ends the machine once that has been told. */
function end(cause: ProcessEvent["cause"]): void {
  kernel?.stop();
  const line = `${JSON.stringify({ event: "ended", cause } satisfies ProcessEvent)}\n`;
  const told = [...controls].map((socket) => new Promise((resolve) => socket.write(line, resolve)));
  const printed = [...consoles].map((socket) => new Promise((resolve) => socket.end(() => resolve(undefined))));
  void Promise.all([...told, ...printed]).then(() => process.exit(0));
}

/** The machine and a sum: all else of the guest is in its memory. */
function saveState(): Buffer {
  const state = Buffer.alloc(STATE_BYTES);
  state.write(`${STATE_MAGIC} ${config.vcpus} ${config.memoryMb}\0`);
  state.writeUInt32LE(crc32(state.subarray(0, STATE_BYTES - 4)), STATE_BYTES - 4);
  return state;
}

function loadState(state: Buffer): void {
  if (!state.equals(saveState())) throw new Error("the device state is none of this machine");
}
