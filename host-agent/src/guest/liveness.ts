import { unreachable } from "./errors.ts";

/** Milliseconds of silence on a stream after which the guest agent is asked whether it lives. */
const QUIET_MS = 5_000;

/**
 * Passes a stream of the guest agent on and ends it with `guest_unreachable` when the guest has stopped answering. A
 * command may be silent for hours, so silence alone says nothing: after {@link QUIET_MS} of it `probe` decides, which
 * rejects when the guest agent does not answer. `abort` ends the stream underneath.
 */
export async function* withLiveness<T>(
  stream: AsyncIterable<T>,
  probe: () => Promise<void>,
  abort: (reason: Error) => void,
): AsyncGenerator<T> {
  let dead: Error | undefined;
  let quietTicks = 0;
  let probing = false;
  const watch = setInterval(() => {
    quietTicks += 1;
    if (quietTicks < 2 || probing) return;
    probing = true;
    probe().then(
      () => {
        probing = false;
        quietTicks = 0;
      },
      (error: unknown) => {
        dead = unreachable(error);
        abort(dead);
      },
    );
  }, QUIET_MS);
  watch.unref();
  try {
    for await (const message of stream) {
      quietTicks = 0;
      yield message;
      quietTicks = 0;
    }
  } catch (error) {
    throw dead ?? error;
  } finally {
    clearInterval(watch);
  }
}
