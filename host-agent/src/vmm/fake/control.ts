import type { Socket } from "node:net";
import type { DiskLayer } from "../../disk/disk.ts";

/** What the process of a microVM is started with. */
export interface MachineConfig {
  vcpus: number;
  memoryMb: number;
  layers: DiskLayer[];
  kernel: string;
  /** Address at which the guest agent listens. */
  address: string;
  port: number;
  /** File of the device state to continue; without it the machine boots its kernel. */
  state?: string;
}

/** Descriptors that the process inherits: two sockets that listen, and the file behind its memory. */
export const DESCRIPTORS = { control: 3, console: 4, memory: 5 } as const;
/** Files in the directory of the jail. */
export const FILES = {
  control: "control.sock",
  console: "console.sock",
  state: "device-state",
  log: "stderr",
} as const;

/** What the process can be asked for, with the answers. */
export interface Calls {
  /** Makes the guest ready to run: boots it or loads the device state. */
  load: [undefined, null];
  saveDeviceState: [undefined, null];
  suspend: [undefined, null];
  resume: [undefined, null];
  stack: [{ path: string }, null];
}

/** What the process tells by itself. */
export interface ProcessEvent {
  event: "ended";
  cause: "power_off" | "reset";
}

export type Question = { [Name in keyof Calls]: { id: number; call: Name; args?: Calls[Name][0] } }[keyof Calls];
export type Answer = { id: number; error?: string };

/** Lines of JSON on a socket. */
export function onLines<T>(socket: Socket, listener: (line: T) => void): void {
  let rest = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) listener(JSON.parse(line) as T);
  });
}

/** The host's end of the control connection. */
export class Control {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #next = 1;
  onEvent: (event: ProcessEvent) => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.once("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the process has ended"));
      this.#waiting.clear();
    });
    onLines<Answer | ProcessEvent>(socket, (line) => {
      if ("event" in line) return this.onEvent(line);
      const waiting = this.#waiting.get(line.id);
      this.#waiting.delete(line.id);
      if (line.error === undefined) waiting?.resolve();
      else waiting?.reject(new Error(line.error));
    });
  }

  async call<Name extends keyof Calls>(call: Name, args?: Calls[Name][0]): Promise<void> {
    if (this.#socket.destroyed) throw new Error("the process has ended");
    const waiting = Promise.withResolvers<void>();
    const id = this.#next++;
    this.#waiting.set(id, waiting);
    this.#socket.write(`${JSON.stringify({ id, call, args })}\n`);
    await waiting.promise;
  }

  close(): void {
    this.#socket.destroy();
  }
}
