import type { TransferLimits } from "./file-transfers.ts";
import { LEAST_UNANSWERED, type LivenessLimits, livenessLimits, SILENCE_MS } from "./liveness.ts";

/** Limit until a command has started: on an overloaded host the first instructions of a program may take long. */
const START_LIMIT_MS = 300_000;
/** Limit of the time in which the body of a file hardly moves although the guest is waited for. */
const BODY_LIMIT_MS = 120_000;
/** Limit until a command has ended whose time was up: the guest asks it to end first, and waits for that. */
const END_LIMIT_MS = 60_000;

/** How long a guest agent is waited for. Limits in milliseconds are those of an idle host and grow with its load. */
export interface GuestLimits extends LivenessLimits, TransferLimits {
  /** For one question whether it lives. */
  healthMs: number;
  /** Until a command has started. */
  startMs: number;
  /** Until a command has ended whose own limit has passed. */
  endMs: number;
  /** Milliseconds of processor time that the microVM has used, where that is known. */
  processorMs: () => number | undefined;
}

/** Limits of guests that may be silent for `silenceMs` while they do nothing: the same for all that waits for no process. */
export function silenceLimits(silenceMs: number) {
  return { ...livenessLimits(silenceMs), healthMs: silenceMs / LEAST_UNANSWERED, unaryMs: silenceMs };
}

export const DEFAULT_LIMITS: GuestLimits = {
  ...silenceLimits(SILENCE_MS),
  startMs: START_LIMIT_MS,
  bodyMs: BODY_LIMIT_MS,
  endMs: END_LIMIT_MS,
  processorMs: () => undefined,
};
