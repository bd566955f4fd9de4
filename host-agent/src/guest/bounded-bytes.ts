/** Bytes that are set aside at first. */
const FIRST = 4096;

/** The first bytes of what comes in pieces: held as bytes, since a piece of one byte would take a hundred times as much. */
export class BoundedBytes {
  #limit: number;
  #bytes = Buffer.alloc(0);
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  /** Copies what there is room for; tells how many bytes that was. */
  add(piece: Uint8Array): number {
    const taken = piece.subarray(0, this.#limit - this.#length);
    const needed = this.#length + taken.length;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#bytes.set(taken, this.#length);
    this.#length = needed;
    return taken.length;
  }

  /** All bytes so far; valid until the next one comes. */
  whole(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Begins anew with another limit, in the memory that there is. */
  restart(limit: number): void {
    this.#limit = limit;
    this.#length = 0;
  }

  /** Lets go of all bytes; none is taken any more. */
  drop(): void {
    this.#limit = 0;
    this.#length = 0;
    this.#bytes = Buffer.alloc(0);
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#limit, Math.max(needed, 2 * this.#bytes.length, FIRST)));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
