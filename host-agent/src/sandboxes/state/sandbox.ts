import { WarrenError } from "@warren/contracts/errors";
import type { GuestClient } from "../../guest/client.ts";
import { CallBounds } from "../capacity/call-bounds.ts";
import type { SandboxRecord } from "../record/journal.ts";
import { Lifecycle, type SandboxStatus } from "../record/lifecycle.ts";
import { endedError, heldError, type SandboxReason } from "../record/reason.ts";
import { type LiveMicrovm, Microvm } from "./microvm.ts";

/** What of a record may change together with its state; what is undefined is taken out of it. */
export type RecordChanges = {
  [Name in Exclude<keyof SandboxRecord, "id" | "status">]?: SandboxRecord[Name] | undefined;
};

/** One sandbox of this host: its record, its state and its microVM, while it has one. */
export class Sandbox {
  readonly record: SandboxRecord;
  readonly lifecycle: Lifecycle;
  /** Milliseconds since the epoch of the last call that counts as activity. */
  lastActiveAt: number;
  /**
   * Variables of all its processes, until its guest has confirmed them: from then on they are in the guest's memory
   * alone, which pauses and copies go on with.
   */
  environment: Record<string, string> | undefined;
  /** Why its vCPUs stand still although its microVM lives, until the host's disk has space again. */
  held: SandboxReason | undefined;
  /** What the calls into the guest may take; shared by all sandboxes of a host once the microVM lives. */
  bounds = new CallBounds();
  /** Waited for before each call into the guest; rejects when the guest is known to give no answer. */
  beforeCall: () => Promise<void> = async () => undefined;
  /** Told of each call into the guest whether it was answered, by whatever. */
  onCall: (answered: boolean) => void = () => undefined;
  /** Told when the reason for its status has changed. */
  onReason: () => void = () => undefined;
  /** Its microVM has ended by itself: what the sandbox will be once all is cleared away. */
  #lost: { status: "paused" | "stopped"; reason: SandboxReason } | undefined;
  /** The reason that was told last. */
  #told: SandboxReason | undefined;
  /** Its microVM, live or half started, or what could not be given back of it yet. */
  #microvm: Microvm | undefined;
  /** The microVM has been started, and not been told to end. */
  #isLive = false;
  #calls = new AbortController();
  #callsInFlight = 0;

  constructor(record: SandboxRecord, environment?: Record<string, string>) {
    this.record = record;
    this.environment = environment;
    this.lifecycle = new Lifecycle(record);
    this.lastActiveAt = record.lastActiveAt;
    this.#told = this.reason;
    this.lifecycle.onEnd = () => this.#tell();
  }

  get id(): string {
    return this.record.id;
  }

  /** Changes the state and, with it, what else of the record changes at that moment. It is yet to be written. */
  moveTo(status: SandboxStatus, changes: RecordChanges = {}): void {
    this.lifecycle.moveTo(status);
    Object.assign(this.record, changes);
  }

  /** The status as callers see it: whoever is held, or has lost its microVM, does not run. */
  get status(): SandboxStatus {
    if (this.#lost) return this.#lost.status;
    return this.held ? "paused" : this.lifecycle.status;
  }

  /** Why it has its status, or is not well, when no caller asked for that. */
  get reason(): SandboxReason | undefined {
    return this.#lost?.reason ?? this.held ?? this.record.reason;
  }

  /** Its microVM while it lives. */
  get live(): LiveMicrovm | undefined {
    return this.#isLive ? (this.#microvm as LiveMicrovm) : undefined;
  }

  /** A microVM is about to be started, which gets what it needs step by step. */
  begin(): Microvm {
    this.#microvm = new Microvm();
    return this.#microvm;
  }

  /** Its microVM has been started: it takes calls. */
  attach(live: LiveMicrovm): void {
    this.#microvm = live;
    this.#isLive = true;
    this.#lost = undefined;
    this.#calls = new AbortController();
  }

  /** Its microVM has ended by itself: callers see that at once, before what it held is cleared away. */
  lose(reason: SandboxReason): void {
    const returns = this.record.ownSnapshot && this.lifecycle.status !== "stopping";
    this.#lost = { status: returns ? "paused" : "stopped", reason };
    this.#tell();
  }

  /** All that its microVM held is cleared away. */
  settle(): void {
    this.#lost = undefined;
  }

  /** The microVM is about to go: ends all calls into it. */
  detach(reason: WarrenError): Microvm | undefined {
    this.#isLive = false;
    this.held = undefined;
    this.#calls.abort(reason);
    return this.#microvm;
  }

  /** Nothing is left of its microVM. */
  clear(): void {
    this.#microvm = undefined;
  }

  /** Ends all calls that are under way. */
  interrupt(reason: WarrenError): void {
    this.#calls.abort(reason);
    this.#calls = new AbortController();
  }

  /** Throws unless it runs. */
  requireRunning(): void {
    if (this.#lost) throw endedError(this.id, this.#lost.reason);
    this.lifecycle.require("running");
    if (this.held) throw heldError(this.id, this.held);
  }

  /** Whether a call into the guest is under way; a sandbox in use is not inactive. */
  get busy(): boolean {
    return this.#callsInFlight > 0;
  }

  /** Whether its timeout has passed since the last activity. */
  isInactive(): boolean {
    const { timeoutSec } = this.record.spec;
    return timeoutSec > 0 && !this.busy && Date.now() - this.lastActiveAt >= timeoutSec * 1000;
  }

  /** Takes the microVM of a sandbox that stood ready, with all that it is made of; its identity stays this one's. */
  takeOver(spare: Sandbox): void {
    const { instance, slot, process, disk, memory, snapshot, boot } = spare.record;
    Object.assign(this.record, { instance, slot, process, disk, memory, snapshot, boot });
    this.#microvm = spare.#microvm;
    if (spare.live) this.attach(spare.live);
    spare.#microvm = undefined;
    spare.#isLive = false;
  }

  touch(): void {
    this.lastActiveAt = Date.now();
  }

  /** Takes note of how a call into the guest ended: any error but that it does not answer is an answer. */
  heard(error?: unknown): void {
    this.onCall(!(error instanceof WarrenError && error.code === "guest_unreachable"));
  }

  /**
   * Gives the guest to one call and counts it as activity from its start to its end. `signal` of the call aborts when
   * the microVM goes; the error then says so. Throws `rate_limited` when too many calls are under way.
   */
  use<T>(call: (guest: GuestClient, signal: AbortSignal) => AsyncIterable<T>): AsyncGenerator<T> {
    return this.#give(call, () => this.#beginUse());
  }

  /** As {@link use}, for a call with one result. */
  useOnce<T>(call: (guest: GuestClient, signal: AbortSignal) => Promise<T>): Promise<T> {
    return onlyOf(this.use(single(call)));
  }

  /** As {@link useOnce}, for a call that looks at what is in the guest: that is no activity. */
  look<T>(call: (guest: GuestClient, signal: AbortSignal) => Promise<T>): Promise<T> {
    return onlyOf(this.follow(single(call)));
  }

  /** As {@link look}, for a call that goes on. */
  follow<T>(call: (guest: GuestClient, signal: AbortSignal) => AsyncIterable<T>): AsyncGenerator<T> {
    return this.#give(call, () => () => undefined);
  }

  /** `begin` is called when the call is let in, and what it returns when the call is over. */
  async *#give<T>(
    call: (guest: GuestClient, signal: AbortSignal) => AsyncIterable<T>,
    begin: () => () => void,
  ): AsyncGenerator<T> {
    this.requireRunning();
    const { live } = this;
    if (!live)
      throw new WarrenError("invalid_state", `sandbox ${this.id} is leaving its microVM; its status says more soon`);
    const { signal } = this.#calls;
    const leave = this.bounds.enter(this.record);
    const end = begin();
    try {
      await this.beforeCall();
      signal.throwIfAborted();
      yield* call(live.guest, signal);
      this.heard();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (this.#lost) throw endedError(this.id, this.#lost.reason);
      this.heard(error);
      throw error;
    } finally {
      leave();
      end();
    }
  }

  /** The sandbox is in use until the result is called. */
  #beginUse(): () => void {
    this.#callsInFlight += 1;
    this.touch();
    return () => {
      this.#callsInFlight -= 1;
      this.touch();
    };
  }

  #tell(): void {
    const { reason } = this;
    if (reason?.code === this.#told?.code && reason?.at === this.#told?.at) return;
    this.#told = reason;
    this.onReason();
  }
}

/** A call with one result as one that yields it. */
function single<T>(call: (guest: GuestClient, signal: AbortSignal) => Promise<T>) {
  return async function* (guest: GuestClient, signal: AbortSignal): AsyncGenerator<T> {
    yield await call(guest, signal);
  };
}

/** The result of a call that has one, after its end, at which it is noted that the guest has answered. */
async function onlyOf<T>(results: AsyncIterable<T>): Promise<T> {
  let answer: { result: T } | undefined;
  for await (const result of results) answer = { result };
  if (answer) return answer.result;
  throw new WarrenError("internal_error", "a call into the guest gave no result");
}
