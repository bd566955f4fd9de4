import { crc32 } from "node:zlib";
import { CHECKSUM_SPAN } from "./header.ts";

const ZEROS = Buffer.alloc(CHECKSUM_SPAN);
/** Checksum of a span that holds no data. */
export const ZERO_CHECKSUM = crc32(ZEROS);

/** Computes the checksums of a layer file from what is written to it, in ascending order; gaps count as zeros. */
export class ChecksumBuilder {
  readonly #finished: number[] = [];
  #current = 0;
  #position = 0;

  /** Takes bytes that lie at `position`, not before the end of those taken earlier. */
  update(position: number, bytes: Uint8Array): void {
    if (position < this.#position) throw new RangeError("layer data must be added in ascending order");
    this.#skipTo(position);
    for (let taken = 0; taken < bytes.length; ) {
      const part = bytes.subarray(taken, taken + this.#room());
      this.#current = crc32(part, this.#current);
      this.#advance(part.length);
      taken += part.length;
    }
  }

  /** The checksums of a file of `size` bytes. */
  finish(size: number): Uint32Array {
    this.#skipTo(size);
    if (this.#position % CHECKSUM_SPAN !== 0) this.#finished.push(this.#current);
    return Uint32Array.from(this.#finished);
  }

  #skipTo(position: number): void {
    while (this.#position < position) {
      const length = Math.min(this.#room(), position - this.#position);
      this.#current = length === CHECKSUM_SPAN ? ZERO_CHECKSUM : crc32(ZEROS.subarray(0, length), this.#current);
      this.#advance(length);
    }
  }

  #room(): number {
    return CHECKSUM_SPAN - (this.#position % CHECKSUM_SPAN);
  }

  #advance(length: number): void {
    this.#position += length;
    if (this.#position % CHECKSUM_SPAN === 0) {
      this.#finished.push(this.#current);
      this.#current = 0;
    }
  }
}
