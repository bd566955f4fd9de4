import type { Logger } from "pino";
import type { SandboxService } from "../sandboxes/service.ts";

/** Signs of life in a row that must have come to nothing, unless the settings say otherwise. */
export const LOST_AFTER = 3;
/** Milliseconds for which a control plane that has called the host is there; it visits hosts every 5 s. */
const CALLED_MS = 15_000;

export interface ControlPlaneLossParts {
  sandboxes: Pick<SandboxService, "pauseAll">;
  /** Signs of life in a row that came to nothing, after which the control plane is lost; 0 = it never is. */
  after: number;
  log: Logger;
  /** Milliseconds by a clock that only goes forward. */
  clock?: () => number;
}

/**
 * Pauses all sandboxes of a host that has lost its control plane, since nobody could use, bill or end them: after so many signs
 * of life in a row, or once the host's credentials are refused. A control plane that calls the host is not lost, whatever becomes
 * of signs of life. What could not be paused is tried again with each further sign that comes to nothing; once the control plane
 * is back, pauses under way end and no other begins.
 */
export class ControlPlaneLoss {
  readonly #parts: ControlPlaneLossParts;
  readonly #clock: () => number;
  /** Signs of life in a row that came to nothing, while the control plane did not call either. */
  #missed = 0;
  #lastHeard: number;
  #lastCalled = Number.NEGATIVE_INFINITY;
  #isLost = false;
  #isClosed = false;
  /** The pauses that are under way. */
  #pausing: AbortController | undefined;

  constructor(parts: ControlPlaneLossParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? (() => performance.now());
    this.#lastHeard = this.#clock();
  }

  /** The control plane has taken a sign of life, or has no such host any more. */
  over(): void {
    this.#heard();
  }

  /** The control plane has called the host. */
  called(): void {
    this.#lastCalled = this.#clock();
    this.#heard();
  }

  /** A sign of life came to nothing; `refused`: and no other will be taken, unless the host registers again. */
  missed(outcome: "failed" | "refused"): void {
    const isCalled = this.#clock() - this.#lastCalled < CALLED_MS;
    this.#missed += 1;
    const { after } = this.#parts;
    if (this.#isClosed || after === 0 || isCalled) return;
    if (outcome === "refused" || this.#missed >= after) this.#pauseAll(outcome);
  }

  /** Begins no pauses any more. */
  close(): void {
    this.#isClosed = true;
    this.#pausing?.abort();
  }

  #heard(): void {
    this.#missed = 0;
    this.#lastHeard = this.#clock();
    this.#isLost = false;
    this.#pausing?.abort();
  }

  #pauseAll(outcome: "failed" | "refused"): void {
    const { sandboxes, log } = this.#parts;
    const seconds = Math.round((this.#clock() - this.#lastHeard) / 1000);
    const message =
      outcome === "refused"
        ? "the control plane has refused the credentials of its host"
        : `its host had not reached the control plane for ${seconds} s`;
    if (!this.#isLost) log.warn({ outcome, seconds }, "the control plane is lost; all sandboxes are being paused");
    this.#isLost = true;
    if (this.#pausing) return;
    const pausing = new AbortController();
    this.#pausing = pausing;
    void sandboxes.pauseAll({ code: "control_plane_lost", message }, pausing.signal).finally(() => {
      this.#pausing = undefined;
    });
  }
}
