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

/** Files on their way into one capsule, a few at once, each followed byte by byte. Pages that read it follow it. */
export class Uploads {
  readonly #send: Send;
  /** What ends each that is not over, and resolves when it is. */
  readonly #ends = new Map<number, { abort: AbortController; over: PromiseWithResolvers<void> }>();
  #all: readonly Upload[] = [];
  #next = 1;
  #running = 0;
  #update: () => void = () => undefined;
  readonly #subscribe = createSubscriber((update) => {
    this.#update = update;
  });

  constructor(send: Send) {
    this.#send = send;
  }

  get all(): readonly Upload[] {
    this.#subscribe();
    return this.#all;
  }

  /** Bytes of all files that are not given up. */
  get bytes(): number {
    return this.#sum(({ file }) => file.size);
  }

  /** Of {@link bytes}, those that the server has. */
  get sent(): number {
    return this.#sum(({ sent }) => sent);
  }

  get underWay(): Upload[] {
    return this.all.filter((upload) => !isOver(upload));
  }

  get failed(): Upload[] {
    return this.all.filter(({ state }) => state === "failed");
  }

  /** Sends files into a directory; resolves when each of them is there, has failed or was cancelled. */
  async add(files: readonly NewFile[], into: string): Promise<void> {
    const added = files.map(({ file, directory }): Upload => {
      const place = directory === "" ? into : pathIn(into, directory);
      const name = directory === "" ? file.name : `${directory}/${file.name}`;
      return { id: this.#next++, file, directory: place, name, state: "waiting", sent: 0 };
    });
    const ends = added.map(({ id }) => {
      const end = { abort: new AbortController(), over: Promise.withResolvers<void>() };
      this.#ends.set(id, end);
      return end.over.promise;
    });
    // What was over before is of no more interest.
    this.#all = [...this.underWay, ...added];
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
    for (const { id } of this.#all) this.cancel(id);
  }

  /** Forgets those that are over. */
  clear(): void {
    this.#all = this.underWay;
    this.#update();
  }

  #begin(): void {
    while (this.#running < AT_ONCE) {
      const next = this.#all.find(({ state }) => state === "waiting");
      if (!next) return;
      this.#running += 1;
      void this.#one(next).finally(() => {
        this.#running -= 1;
        this.#begin();
      });
    }
  }

  async #one(upload: Upload): Promise<void> {
    const { id, file } = upload;
    const end = this.#ends.get(id);
    if (!end) return;
    this.#change(id, { state: "sending" });
    try {
      // The body has the fields of the form as well.
      const onProgress = (bytes: number) => this.#change(id, { sent: Math.min(bytes, file.size) });
      await this.#send(upload, onProgress, end.abort.signal);
      this.#end(id, { state: "done", sent: file.size });
    } catch (error) {
      this.#end(id, { state: "failed", error: ApiError.from(error).message });
    }
  }

  /** Ends one that is not over yet. */
  #end(id: number, change: Partial<Upload>): void {
    const end = this.#ends.get(id);
    if (!end) return;
    this.#ends.delete(id);
    this.#change(id, change);
    end.over.resolve();
  }

  #change(id: number, change: Partial<Upload>): void {
    this.#all = this.#all.map((upload) => (upload.id === id && !isOver(upload) ? { ...upload, ...change } : upload));
    this.#update();
  }

  #sum(of: (upload: Upload) => number): number {
    const counted = this.all.filter(({ state }) => state !== "cancelled" && state !== "failed");
    return counted.reduce((sum, upload) => sum + of(upload), 0);
  }
}

/** Uploads into a capsule. */
export function uploadsTo(sandboxId: string): Uploads {
  return new Uploads(({ directory, file }, onProgress, signal) =>
    uploadFile(sandboxId, directory, file, { onProgress, signal }),
  );
}
