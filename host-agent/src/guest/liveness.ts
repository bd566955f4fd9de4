import { setTimeout as delay } from "node:timers/promises";
import { unreachable } from "./errors.ts";
import { hostLoad } from "./host-load.ts";

/** Questions in a row that have no answer before a guest is given up. */
export const LEAST_UNANSWERED = 3;
/** How many times longer a guest is borne with that is at work than one that does nothing. */
export const AT_WORK_FACTOR = 8;
/** Milliseconds for which a guest that does nothing may be silent, unless the operator says otherwise. */
export const SILENCE_MS = 15_000;
/** Share of a processor that a microVM takes whose guest does something. */
const AT_WORK = 0.02;

/** How long silence of a guest agent is borne, in milliseconds. All but the first grow with the load of the host. */
export interface LivenessLimits {
  /** Silence on a stream after which the guest agent is asked whether it lives, and time between questions. */
  quietMs: number;
  /** Silence without an answer, after which a guest is given up whose vCPUs stand still. */
  idleMs: number;
  /** The same for one whose vCPUs run: it may only be short of processor time. */
  busyMs: number;
}

/** The limits for guests that may be silent for `silenceMs` while they do nothing. */
export function livenessLimits(silenceMs: number): LivenessLimits {
  return { quietMs: silenceMs / LEAST_UNANSWERED, idleMs: silenceMs, busyMs: silenceMs * AT_WORK_FACTOR };
}

/** What tells whether a guest lives. */
export interface LivenessSigns {
  /** Rejects when the guest agent does not answer. */
  probe(): Promise<void>;
  /** Milliseconds of processor time that the microVM has used. */
  processorMs(): number | undefined;
  /** Looks for a while at what the vCPUs of a guest do that is silent and at work: whether it will never answer. */
  hasHung(): Promise<boolean>;
}

/**
 * Passes a stream of the guest agent on and ends it with `guest_unreachable` when the guest has stopped answering. A
 * command may be silent for hours, so silence alone says nothing: after a while of it the guest agent is asked, again and
 * again, and for longer the busier host and guest are. A microVM that has ended breaks its connections, which needs no
 * question. `abort` ends the stream underneath.
 */
export async function* withLiveness<T>(
  stream: AsyncIterable<T>,
  signs: LivenessSigns,
  limits: LivenessLimits,
  abort: (reason: Error) => void,
): AsyncGenerator<T> {
  const over = new AbortController();
  const heard = { at: performance.now() };
  let dead: Error | undefined;
  watch(signs, limits, heard, over.signal).catch((error: unknown) => {
    if (over.signal.aborted) return;
    dead = unreachable(error);
    abort(dead);
  });
  try {
    for await (const message of stream) {
      heard.at = performance.now();
      yield message;
      heard.at = performance.now();
    }
  } catch (error) {
    throw dead ?? error;
  } finally {
    over.abort();
  }
}

/** Waits for a call that has no other sign of life than its answer, and aborts it when the guest has stopped answering. */
export async function whileAlive<T>(
  call: Promise<T>,
  signs: LivenessSigns,
  limits: LivenessLimits,
  abort: (reason: Error) => void,
): Promise<T> {
  const over = new AbortController();
  watch(signs, limits, { at: performance.now() }, over.signal).catch((error: unknown) => {
    if (!over.signal.aborted) abort(unreachable(error));
  });
  try {
    return await call;
  } finally {
    over.abort();
  }
}

/** Asks while nothing is heard; rejects when the guest is to be given up, or `over` aborts. */
async function watch(
  signs: LivenessSigns,
  { quietMs, idleMs, busyMs }: LivenessLimits,
  heard: { at: number },
  over: AbortSignal,
): Promise<void> {
  let unanswered = 0;
  let processorMs = 0;
  let looked = false;
  for (;;) {
    await delay(quietMs, undefined, { signal: over, ref: false });
    const silentMs = performance.now() - heard.at;
    if (silentMs < quietMs) {
      unanswered = 0;
      continue;
    }
    if (unanswered === 0) processorMs = signs.processorMs() ?? 0;
    try {
      await signs.probe();
      heard.at = performance.now();
      unanswered = 0;
      looked = false;
    } catch (error) {
      over.throwIfAborted();
      unanswered += 1;
      const now = performance.now() - heard.at;
      if (unanswered < LEAST_UNANSWERED || now < idleMs * hostLoad()) continue;
      const worked = (signs.processorMs() ?? 0) - processorMs > AT_WORK * (now - silentMs);
      if (!worked || now > busyMs * hostLoad()) throw error;
      if (!looked && (await signs.hasHung())) throw error;
      looked = true;
    }
  }
}
