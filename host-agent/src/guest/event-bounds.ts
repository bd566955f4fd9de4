import type { ProcessEvent } from "@warren/contracts/gen/process/process_pb";
import { Allowance } from "./allowance.ts";
import { refused } from "./errors.ts";

/** Events without content that a stream may begin with, and that more of them may come each second. */
const EMPTY_AT_ONCE = 100;
const EMPTY_PER_SECOND = 1;

/**
 * What a guest agent keeps to in the events of one command: the start comes first and once, output has content, and signs of
 * life come seldom. A guest that does otherwise would have the host agent work for nothing.
 */
export class EventBounds {
  readonly #empty = new Allowance(EMPTY_AT_ONCE, EMPTY_PER_SECOND);
  #started = false;

  /** Throws `agent_error` when the event breaks them. */
  check(message: ProcessEvent | undefined): void {
    const { event } = message ?? {};
    if (event?.case === "start") {
      if (this.#started) throw refused("a command starts twice");
      this.#started = true;
      return;
    }
    if (event?.case === "end") return;
    if (event?.case === "data") {
      if (!this.#started) throw refused("a command has output before its start");
      if (event.value.output.value?.length) return;
    }
    if (!this.#empty.take(1)) throw refused("it sends empty events without end");
  }
}
