import { WarrenError } from "@warren/contracts/errors";
import { Budget, type Claim } from "@warren/server/budget";
import { descriptorLimit } from "@warren/server/descriptors";

const MIB = 1024 * 1024;
/** Descriptors of this process for each call into a guest: its connections to the guest, and those of files to the caller. */
const DESCRIPTORS_PER_CALL = 4;

/** What calls into guests may take of the host agent at once. */
export interface CallLimits {
  callsPerSandbox: number;
  callsPerTeam: number;
  calls: number;
  /** Bytes of answers that are held until their calls end: output of commands, lists of files, files as a whole. */
  outputPerTeam: number;
  output: number;
}

export const CALL_LIMITS: CallLimits = {
  callsPerSandbox: 256,
  callsPerTeam: 1024,
  calls: 8192,
  outputPerTeam: 256 * MIB,
  output: 1024 * MIB,
};

/** Whose calls they are. */
export interface CallOwner {
  id: string;
  teamId: string;
}

/** What is held for the caller of one command, or of another call whose answer is given as a whole. */
export interface HeldOutput {
  /** Throws `rate_limited` when it is more than may be held. */
  add(bytes: number): void;
  /** Gives back what was added so far. */
  release(): void;
}

/** Bounds the calls into guests, which may all be silent and never end: no team takes the host agent from the others. */
export class CallBounds {
  readonly #limits: CallLimits;
  readonly #calls: Budget;
  readonly #output: Budget;

  constructor(limits: CallLimits = CALL_LIMITS) {
    const calls = Math.min(limits.calls, Math.floor(descriptorLimit() / DESCRIPTORS_PER_CALL));
    this.#limits = { ...limits, callsPerTeam: Math.min(limits.callsPerTeam, Math.ceil(calls / 2)) };
    this.#calls = new Budget(calls);
    this.#output = new Budget(limits.output);
  }

  /** Counts a call until the result is called; throws `rate_limited`. */
  enter({ id, teamId }: CallOwner): () => void {
    const { callsPerSandbox, callsPerTeam } = this.#limits;
    const claims: Claim[] = [
      { owner: `sandbox ${id}`, most: callsPerSandbox },
      { owner: `team ${teamId}`, most: callsPerTeam },
    ];
    if (!this.#calls.take(claims)) {
      const most = `${callsPerSandbox} into one sandbox, ${callsPerTeam} of one team`;
      throw new WarrenError(
        "rate_limited",
        `too many calls are under way (at most ${most}); wait until some have ended`,
      );
    }
    return () => this.#calls.release(claims);
  }

  hold({ teamId }: CallOwner): HeldOutput {
    const claims = [{ owner: teamId, most: this.#limits.outputPerTeam }];
    let held = 0;
    return {
      add: (bytes) => {
        if (!this.#output.take(claims, bytes)) {
          const message = "calls that are under way have too much output together; stream it, or make fewer at once";
          throw new WarrenError("rate_limited", message);
        }
        held += bytes;
      },
      release: () => {
        this.#output.release(claims, held);
        held = 0;
      },
    };
  }
}
