import { LIMITS } from "@warren/contracts/limits";
import type { GuestClient } from "../../guest/client.ts";
import type { GuestInput } from "../../guest/input.ts";

/** Bytes of standard input that travel in one request to a guest agent that takes no stream of it. */
const INPUT_CHUNK = 256 * 1024;

/** Who is told of what becomes of standard input. */
export interface StandardInputEvents {
  /** Aborts when nobody wants it passed on any more. */
  stop: AbortSignal;
  /** Bytes have been given to the process, or dropped. */
  onTaken: (bytes: number) => void;
}

/** The standard input of a running command, in order. What the command does not take is dropped. */
export class StandardInput {
  readonly #guest: GuestClient;
  readonly #pid: number;
  readonly #terminal: boolean;
  readonly #events: StandardInputEvents;
  #stream: Promise<GuestInput | undefined> | undefined;
  #open = true;
  /** Ends with what is being passed on. */
  #passing: Promise<void> = Promise.resolve();
  #heldBytes = 0;

  constructor(guest: GuestClient, pid: number, terminal: boolean, events: StandardInputEvents) {
    this.#guest = guest;
    this.#pid = pid;
    this.#terminal = terminal;
    this.#events = events;
  }

  /** Takes a piece. Resolves at once unless more is held than callers may be ahead: then when the process has read on. */
  async push(data: Uint8Array): Promise<void> {
    this.#heldBytes += data.length;
    this.#passing = this.#passing.then(async () => {
      await this.#write(data);
      this.#heldBytes -= data.length;
      this.#events.onTaken(data.length);
    });
    if (this.#heldBytes > LIMITS.stdinAheadBytes) await this.#passing;
  }

  /** Closes it once all of it has been passed on. */
  close(): void {
    this.#passing = this.#passing.then(async () => {
      await this.#finish();
      await this.#guest.commands.closeStdin(this.#pid).catch(() => undefined);
    });
  }

  /** Nobody has more, and it stays open: resolves when the process has been given all of it, or takes no more. */
  leave(): Promise<void> {
    this.#passing = this.#passing.then(() => this.#finish());
    return this.#passing;
  }

  async #finish(): Promise<void> {
    this.#open = false;
    const stream = await this.#stream?.catch(() => undefined);
    this.#stream = undefined;
    await stream?.end();
  }

  /** Resolves when more may follow. */
  async #write(data: Uint8Array): Promise<void> {
    if (!this.#open) return;
    this.#stream ??= this.#guest.commands.openInput(this.#pid, this.#events.stop);
    try {
      const stream = await this.#stream;
      if (stream) this.#open = await stream.write(data);
      else await this.#sendPieces(data);
    } catch {
      this.#open = false;
    }
  }

  /** One call for each piece. */
  async #sendPieces(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length && !this.#events.stop.aborted; at += INPUT_CHUNK) {
      await this.#guest.commands.sendInput(this.#pid, data.subarray(at, at + INPUT_CHUNK), this.#terminal);
    }
  }
}
