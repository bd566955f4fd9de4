import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { NODE_FLAGS } from "@warren/server/node-flags";
import type { Slot } from "../network.ts";
import type { SlotPoolOptions } from "../slot-pool.ts";
import { Remote } from "./remote.ts";

const SLOT_POOL_PROCESS = fileURLToPath(new URL("./slot-pool-process.ts", import.meta.url));
const PEER_PROCESS = fileURLToPath(new URL("./peer-process.ts", import.meta.url));
const WIRE_PROCESS = fileURLToPath(new URL("./wire-process.ts", import.meta.url));

/**
 * A machine as far as networking goes: a network namespace that plays the host, with a /run of its own. It is connected
 * to nothing, so no packet of a test can leave it, and it ceases to exist with the last process in it.
 */
export class Machine {
  readonly #holder: ChildProcess;
  readonly #remotes: Remote[] = [];

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async start(): Promise<Machine> {
    const script = "mount -t tmpfs none /run; ip link set lo up; echo ready; exec cat";
    const holder = spawn("unshare", ["--net", "--mount", "sh", "-ec", script], { stdio: ["pipe", "pipe", "inherit"] });
    await once(holder.stdout!, "data");
    return new Machine(holder);
  }

  /** Runs a shell script on the machine and returns what it prints. */
  async run(script: string): Promise<string> {
    const [command, ...args] = this.#inside("sh", "-ec", script);
    return (await promisify(execFile)(command!, args)).stdout;
  }

  /** Path by which this process sees a file of the machine's /run. */
  path(path: string): string {
    return `/proc/${this.#holder.pid}/root${path}`;
  }

  /** A host agent on the machine, as far as its slots go. */
  async hostAgent(options: Omit<SlotPoolOptions, "logger">): Promise<HostAgent> {
    const agent = this.hostAgentProcess();
    await agent.open(options);
    return agent;
  }

  /** A host agent that has not opened its pool. */
  hostAgentProcess(): HostAgent {
    return new HostAgent(this.#remote(process.execPath, ...NODE_FLAGS, SLOT_POOL_PROCESS));
  }

  /** A program on the host itself. */
  peer(): Peer {
    return new Peer(this.#remote(process.execPath, ...NODE_FLAGS, PEER_PROCESS));
  }

  /** A program in a network namespace of the machine. */
  async peerIn(namespace: string): Promise<Peer> {
    const peer = this.peer();
    await peer.enter(`/run/netns/${namespace}`);
    return peer;
  }

  /** A guest with the address and route of a microVM, plugged to the tap of a slot. */
  async guest(slot: Slot): Promise<Guest> {
    const namespace = `guest-${this.#remotes.length}`;
    await this.run(`ip netns add ${namespace}`);
    const guest = new Guest(this.#remote(process.execPath, ...NODE_FLAGS, PEER_PROCESS), namespace, () =>
      this.#remote(process.execPath, ...NODE_FLAGS, WIRE_PROCESS),
    );
    await guest.enter(`/run/netns/${namespace}`);
    await guest.plug(slot);
    return guest;
  }

  async stop(): Promise<void> {
    for (const remote of this.#remotes) await remote.kill();
    const ended = once(this.#holder, "exit");
    this.#holder.stdin!.end();
    await ended;
  }

  #remote(...command: string[]): Remote {
    const [nsenter, ...args] = this.#inside(...command);
    const remote = new Remote(nsenter!, args);
    this.#remotes.push(remote);
    return remote;
  }

  #inside(...command: string[]): string[] {
    return ["nsenter", `--target=${this.#holder.pid}`, "--net", "--mount", "--", ...command];
  }
}

/** The slot pool of a host agent in a process of its own. */
export class HostAgent {
  readonly #remote: Remote;

  constructor(remote: Remote) {
    this.#remote = remote;
  }

  async open(options: Omit<SlotPoolOptions, "logger">): Promise<void> {
    await this.#remote.call("open", options);
  }

  /** What comes of asking twice in a row for a second slot, in each of so many turns. */
  async takeTurns(options: Omit<SlotPoolOptions, "logger">, turns: number): Promise<unknown> {
    return this.#remote.call("takeTurns", options, turns);
  }

  async acquire(): Promise<Slot> {
    return (await this.#remote.call("acquire")) as Slot;
  }

  async adopt(number: number): Promise<Slot> {
    return (await this.#remote.call("adopt", number)) as Slot;
  }

  async release(slot: Slot): Promise<void> {
    await this.#remote.call("release", slot);
  }

  async sweep(used: number[]): Promise<void> {
    await this.#remote.call("sweep", used);
  }

  async close(): Promise<void> {
    await this.#remote.call("close");
  }

  kill(): Promise<void> {
    return this.#remote.kill();
  }
}

export type Protocol = "tcp" | "udp";

/** A program that talks to others: `host` is an address, `port` its port. */
export class Peer {
  readonly #remote: Remote;

  constructor(remote: Remote) {
    this.#remote = remote;
  }

  /** Goes on in another network namespace. */
  async enter(namespacePath: string): Promise<void> {
    await this.#remote.call("enter", namespacePath);
  }

  /** Goes on as another user. */
  async becomeUser(uid: number): Promise<void> {
    await this.#remote.call("becomeUser", uid);
  }

  /** Runs a shell script in the program's network namespace. */
  async run(script: string): Promise<void> {
    await this.#remote.call("run", script);
  }

  /** Answers everybody who asks at this address with the address that the question came from. */
  async serve(protocol: Protocol, host: string, port: number): Promise<void> {
    await this.#remote.call("serve", protocol, host, port);
  }

  /** Whoever has called so far, such as "tcp 192.52.193.1 → 192.52.193.10:80". */
  async callers(): Promise<string[]> {
    return (await this.#remote.call("callers")) as string[];
  }

  /** The answer of a server, or the code of the error, such as EHOSTUNREACH. `from` is the address to ask from. */
  async ask(protocol: Protocol, host: string, port: number, from?: string): Promise<string> {
    return (await this.#remote.call("ask", protocol, host, port, from)) as string;
  }

  /** Sends a question and does not wait for the answer. */
  async attempt(protocol: Protocol, host: string, port: number, from?: string): Promise<void> {
    await this.#remote.call("attempt", protocol, host, port, from);
  }

  /** Sends a datagram to each of `count` ports from `port` on. */
  async scan(host: string, port: number, count: number): Promise<void> {
    await this.#remote.call("scan", host, port, count);
  }

  /** Opens a TCP connection and keeps it. */
  async connect(host: string, port: number): Promise<void> {
    await this.#remote.call("connect", host, port);
  }

  /** Writes into the connection of `connect`. */
  async send(text: string): Promise<void> {
    await this.#remote.call("send", text);
  }

  /** Writes into the connection of `connect`, and returns what comes back: an answer, or the code of an error. */
  async write(text: string): Promise<string> {
    return (await this.#remote.call("write", text)) as string;
  }
}

/** A program in a namespace that plays the guest: one network card, with a wire to the tap of a slot. */
export class Guest extends Peer {
  readonly #namespace: string;
  readonly #startWire: () => Remote;
  #wire: Remote | undefined;

  constructor(remote: Remote, namespace: string, startWire: () => Remote) {
    super(remote);
    this.#namespace = namespace;
    this.#startWire = startWire;
  }

  /** Plugs the card to a slot. Programs and their sockets go on, as in a guest that is restored elsewhere. */
  async plug(slot: Slot): Promise<void> {
    await this.unplug();
    this.#wire = this.#startWire();
    await this.#wire.call("plug", slot.attachment.namespacePath, `/run/netns/${this.#namespace}`);
  }

  async unplug(): Promise<void> {
    await this.#wire?.kill();
  }

  /** What has come over the wire to the guest since it was plugged, such as "tcp 5000" with the port it was sent to. */
  async arrived(): Promise<string[]> {
    return (await this.#wire!.call("arrived")) as string[];
  }
}
