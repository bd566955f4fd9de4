import { createSubscriber } from "svelte/reactivity";
import { ApiError } from "#lib/api/api-error.ts";
import type { NewFile } from "./dropped.ts";
import { pathIn } from "./paths.ts";
import { uploadFile } from "./transfer.ts";

/** Uploads that are under way at once. */
const AT_ONCE = 3;

/** A file on its way into a capsule. */
export interface Upload {
  id: number;
  file: File;
  /** Directory of the capsule. */
  directory: string;
  /** Path as it was dropped, for people. */
  name: string;
  state: "waiting" | "sending" | "done" | "failed" | "cancelled";
  /** Bytes that the server has taken. */
  sent: number;
  /** Why it failed. */
  error?: string;
}

/** Sends a file; `onProgress` is told how many of its bytes the server has. */
type Send = (upload: Upload, onProgress: (bytes: number) => void, signal: AbortSignal) => Promise<void>;

export function isOver({ state }: Upload): boolean {
  return state !== "waiting" && state !== "sending";
}

/**
 * Files on their way into one capsule, a few at once, each followed byte by byte. Pages that read it follow it. There may be
 * thousands: what one of them does costs the same however many others there are.
 */
export class Uploads {
  readonly #send: Send;
  /** What ends each that is not over, and resolves when it is. */
  readonly #ends = new Map<number, { abort: AbortController; over: PromiseWithResolvers<void> }>();
  /** By id, in the order in which they were added. */
  readonly #all = new Map<number, Upload>();
  readonly #underWay = new Map<number, Upload>();
  readonly #failed = new Map<number, Upload>();
  readonly #waiting = new Set<number>();
  #bytes = 0;
  #sent = 0;
  #next = 1;
  #running = 0;
  #update: () => void = () => undefined;
  readonly #subscribe = createSubscriber((update) => {
    this.#update = update;
  });

  constructor(send: Send) {
    this.#send = send;
  }

  get all(): Upload[] {
    this.#subscribe();
    return [...this.#all.values()];
  }

  get count(): number {
    this.#subscribe();
    return this.#all.size;
  }

  /** How many are not over. */
  get countUnderWay(): number {
    this.#subscribe();
    return this.#underWay.size;
  }

  get countFailed(): number {
    this.#subscribe();
    return this.#failed.size;
  }

  /** The first of those that have failed or are not over; what fails stands first: it is what one has to see. */
  first(most: number): Upload[] {
    this.#subscribe();
    const found: Upload[] = [];
    for (const uploads of [this.#failed, this.#underWay]) {
      for (const upload of uploads.values()) {
        if (found.length === most) return found;
        found.push(upload);
      }
    }
    return found;
  }

  /** Bytes of all files that are not given up. */
  get bytes(): number {
    this.#subscribe();
    return this.#bytes;
  }

  /** Of {@link bytes}, those that the server has. */
  get sent(): number {
    this.#subscribe();
    return this.#sent;
  }

  /** Sends files into a directory; resolves when each of them is there, has failed or was cancelled. */
  async add(files: readonly NewFile[], into: string): Promise<void> {
    this.#forgetOver();
    const ends = files.map(({ file, directory }) => {
      const place = directory === "" ? into : pathIn(into, directory);
      const name = directory === "" ? file.name : `${directory}/${file.name}`;
      const id = this.#next++;
      this.#put({ id, file, directory: place, name, state: "waiting", sent: 0 });
      this.#waiting.add(id);
      const end = { abort: new AbortController(), over: Promise.withResolvers<void>() };
      this.#ends.set(id, end);
      return end.over.promise;
    });
    this.#begin();
    this.#update();
    await Promise.all(ends);
  }

  cancel(id: number): void {
    const end = this.#ends.get(id);
    if (!end) return;
    end.abort.abort(new Error("cancelled"));
    this.#end(id, { state: "cancelled" });
  }

  cancelAll(): void {
    // None of those that wait begins in the place of one that ends.
    this.#waiting.clear();
    for (const id of [...this.#underWay.keys()]) this.cancel(id);
  }

  /** Forgets those that are over. */
  clear(): void {
    this.#forgetOver();
    this.#update();
  }

  #begin(): void {
    for (const id of this.#waiting) {
      if (this.#running >= AT_ONCE) return;
      this.#waiting.delete(id);
      this.#running += 1;
      void this.#one(id).finally(() => {
        this.#running -= 1;
        this.#begin();
      });
    }
  }

  async #one(id: number): Promise<void> {
    const end = this.#ends.get(id);
    const upload = this.#change(id, { state: "sending" });
    if (!end || !upload) return;
    const { size } = upload.file;
    try {
      // The body has the fields of the form as well.
      const onProgress = (bytes: number) => void this.#change(id, { sent: Math.min(bytes, size) });
      await this.#send(upload, onProgress, end.abort.signal);
      this.#end(id, { state: "done", sent: size });
    } catch (error) {
      this.#end(id, { state: "failed", error: ApiError.from(error).message });
    }
  }

  /** Ends one that is not over yet. */
  #end(id: number, change: Partial<Upload>): void {
    const end = this.#ends.get(id);
    if (!end) return;
    this.#ends.delete(id);
    this.#waiting.delete(id);
    this.#change(id, change);
    end.over.resolve();
  }

  /** Changes one that is not over, which comes back as it is then. */
  #change(id: number, change: Partial<Upload>): Upload | undefined {
    const before = this.#underWay.get(id);
    if (!before) return undefined;
    const changed = { ...before, ...change };
    this.#count(before, -1);
    this.#put(changed);
    this.#update();
    return changed;
  }

  #put(upload: Upload): void {
    const { id } = upload;
    this.#all.set(id, upload);
    if (isOver(upload)) this.#underWay.delete(id);
    else this.#underWay.set(id, upload);
    if (upload.state === "failed") this.#failed.set(id, upload);
    this.#count(upload, 1);
  }

  #count({ state, file, sent }: Upload, times: 1 | -1): void {
    if (state === "cancelled" || state === "failed") return;
    this.#bytes += times * file.size;
    this.#sent += times * sent;
  }

  /** What was over before is of no more interest. */
  #forgetOver(): void {
    for (const [id, upload] of this.#all) {
      if (this.#underWay.has(id)) continue;
      this.#all.delete(id);
      this.#count(upload, -1);
    }
    this.#failed.clear();
  }
}

/** Uploads into a capsule. */
export function uploadsTo(sandboxId: string): Uploads {
  return new Uploads(({ directory, file }, onProgress, signal) =>
    uploadFile(sandboxId, directory, file, { onProgress, signal }),
  );
}
