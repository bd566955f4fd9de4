import { Transform, type TransformCallback } from "node:stream";

/** ^P ^Q, as container tools have it. */
const KEYS = Buffer.from([0x10, 0x11]);

/**
 * Passes on what is typed until ^P ^Q comes, calls `onDetach` then, and ends. ^P alone waits for the key after it, which tells
 * whether it was meant.
 */
export class DetachKeys extends Transform {
  readonly #onDetach: () => void;
  #isHeld = false;
  #isOver = false;

  constructor(onDetach: () => void) {
    super();
    this.#onDetach = onDetach;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const typed = this.#isOver ? Buffer.alloc(0) : this.#isHeld ? Buffer.concat([KEYS.subarray(0, 1), chunk]) : chunk;
    const at = typed.indexOf(KEYS);
    this.#isHeld = at < 0 && typed.at(-1) === KEYS[0];
    const end = at < 0 ? typed.length - (this.#isHeld ? 1 : 0) : at;
    if (end > 0) this.push(typed.subarray(0, end));
    if (at >= 0) {
      this.#isOver = true;
      this.push(null);
      this.#onDetach();
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#isHeld) this.push(KEYS.subarray(0, 1));
    done();
  }
}
