import { write } from "node:fs";
import { Writable } from "node:stream";

/** Milliseconds between attempts on a descriptor that another process has made non-blocking. */
const RETRY_MS = 10;

/**
 * Writes to an inherited descriptor in a thread of the pool, so that a slow reader holds back the writer and not the
 * event loop: `process.stdout` writes to pipes synchronously, and no signal would be handled meanwhile. The descriptor
 * stays open when the stream ends.
 */
export class DescriptorOutput extends Writable {
  readonly #fd: number;

  constructor(fd: number) {
    super({ highWaterMark: 256 * 1024 });
    this.#fd = fd;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    write(this.#fd, chunk, (error, written) => {
      if (error?.code === "EAGAIN") setTimeout(() => this._write(chunk, _encoding, done), RETRY_MS);
      else if (error) done(error);
      else if (written < chunk.length) this._write(chunk.subarray(written), _encoding, done);
      else done();
    });
  }
}
