import { WarrenError } from "@warren/contracts/errors";
import { type EndedOperation, OperationTiming } from "@warren/server/operation-timing";

/**
 * States of a sandbox on its host. `stopped` has ended by itself: its record alone is left, until a destroy says that the
 * control plane knows. `gone` has no record.
 */
export type SandboxStatus =
  | "starting"
  | "running"
  | "pausing"
  | "paused"
  | "resuming"
  | "stopping"
  | "stopped"
  | "gone";

/**
 * Allowed changes of state: `starting → running → pausing → paused → resuming → running`, any → `stopping` → `gone`. One
 * that loses its microVM returns to `paused` from wherever it was. What failed half way may be begun anew.
 */
const TRANSITIONS: Record<SandboxStatus, readonly SandboxStatus[]> = {
  starting: ["running", "stopping"],
  running: ["pausing", "paused", "stopping"],
  pausing: ["paused", "running", "stopping"],
  paused: ["paused", "resuming", "stopping"],
  resuming: ["running", "paused", "stopping"],
  stopping: ["stopping", "stopped", "gone"],
  stopped: ["stopping"],
  gone: [],
};

/** Operations that change the state. Each is owned by the state, not by its caller. */
export type OperationKind =
  | "create"
  | "pause"
  | "resume"
  | "rollback"
  | "snapshot"
  | "fork"
  | "update"
  | "hold"
  | "release"
  | "look"
  | "inactivity"
  | "pause_all"
  | "lost"
  | "destroy";

/** Parts of operations whose time is measured; docs/observability.md says what each is. */
export type OperationStep =
  | "queue"
  | "admission"
  | "journal"
  | "snapshot"
  | "warm_pool"
  | "memory_image"
  | "network"
  | "disk"
  | "vmm"
  | "boot"
  | "wake"
  | "identity"
  | "warm_up"
  | "freeze"
  | "device_state"
  | "memory"
  | "publish"
  | "stop"
  | "merge";

interface Operation {
  kind: OperationKind;
  done: Promise<unknown>;
}

/** Where the state of a sandbox stands. It is changed by its life cycle alone. */
export interface SandboxState {
  readonly id: string;
  readonly status: SandboxStatus;
}

/**
 * The state of one sandbox and the queue of its operations. At most one operation runs at a time; a second call of the
 * kind that is last in line joins it; after a destroy has been asked for, nothing else is accepted.
 */
export class Lifecycle {
  readonly #state: { id: string; status: SandboxStatus };
  #last: Operation | undefined;
  #destroyed = new AbortController();
  /** Of the operation under way. */
  #timing: OperationTiming | undefined;
  /** Called after each operation, however it ended. */
  onEnd: () => void = () => undefined;
  /** Told of each operation that took a step: what took none found nothing to do. */
  onOperation: (ended: EndedOperation) => void = () => undefined;

  constructor(state: SandboxState) {
    this.#state = state;
  }

  get status(): SandboxStatus {
    return this.#state.status;
  }

  /** Aborts when a destroy has been asked for, so that an operation that is under way may stop early. */
  get destroySignal(): AbortSignal {
    return this.#destroyed.signal;
  }

  /** Changes the state. Throws when the state machine has no such step. */
  moveTo(to: SandboxStatus): void {
    const { id, status } = this.#state;
    if (!TRANSITIONS[status].includes(to)) {
      throw new WarrenError("internal_error", `sandbox ${id} cannot go from ${status} to ${to}`);
    }
    this.#state.status = to;
  }

  /** Throws `invalid_state` unless the sandbox is in one of the given states. */
  require(...allowed: SandboxStatus[]): void {
    const { id, status } = this.#state;
    if (!allowed.includes(status)) {
      throw new WarrenError(
        "invalid_state",
        `sandbox ${id} is ${status}; this call needs it to be ${allowed.join(" or ")}`,
      );
    }
  }

  /** Runs `work` when the operations before it have ended, or joins the last one when it is of the same kind. */
  perform<T>(kind: OperationKind, work: () => Promise<T>): Promise<T> {
    const last = this.#last;
    if (last?.kind === kind && (kind === "pause" || kind === "resume" || kind === "destroy")) {
      return last.done as Promise<T>;
    }
    if (this.#destroyed.signal.aborted) {
      return Promise.reject(this.#destroyed.signal.reason);
    }
    if (kind === "destroy") {
      this.#destroyed.abort(new WarrenError("not_found", `sandbox ${this.#state.id} is being destroyed`));
    }
    const timing = new OperationTiming(kind);
    const before = last?.done ?? Promise.resolve();
    const begin = () => this.#run(timing, work);
    const settled = last ? timing.step("queue" satisfies OperationStep, () => before.catch(() => undefined)) : before;
    const done = settled.then(begin);
    const operation: Operation = { kind, done };
    this.#last = operation;
    const clear = () => {
      if (this.#last === operation) this.#last = undefined;
      if (kind === "destroy" && this.status !== "gone") this.#destroyed = new AbortController();
      this.onEnd();
    };
    done.then(clear, clear);
    return done;
  }

  /** Does a step of the operation under way, and measures it. */
  step<T>(name: OperationStep, work: () => Promise<T>): Promise<T> {
    return this.#timing ? this.#timing.step(name, work) : work();
  }

  /** Adds what the operation under way found out about itself. */
  note(figures: Record<string, unknown>): void {
    this.#timing?.note(figures);
  }

  async #run<T>(timing: OperationTiming, work: () => Promise<T>): Promise<T> {
    this.#timing = timing;
    let failure: unknown;
    try {
      return await work();
    } catch (error) {
      failure = error ?? new Error("an operation failed without a reason");
      throw error;
    } finally {
      this.#timing = undefined;
      const ended = timing.end(failure);
      if ([...ended.steps.keys()].some((name) => name !== "queue")) this.onOperation(ended);
    }
  }

  /** Resolves when no operation is under way. */
  async settled(): Promise<void> {
    while (this.#last) await this.#last.done.catch(() => undefined);
  }
}
