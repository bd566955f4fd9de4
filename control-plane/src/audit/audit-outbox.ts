import { createReadStream } from "node:fs";
import { open, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { syncDirectory } from "@warren/server/durable-file";
import type { StoredEvent } from "./audit-event.ts";
import { BATCH } from "./audit-store.ts";

/** Bytes of events that may wait. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Bytes of a file in which its first event is looked for: two of the longest, since the first line may be half of one. */
const FIRST_BYTES = 512 * 1024;

/**
 * Events on the disk that wait for the database. A file takes new ones, one to a line; it is renamed before it is read, so
 * that what comes meanwhile is in another. What was appended is there after a crash.
 */
export class AuditOutbox {
  readonly #waiting: string;
  readonly #leaving: string;
  readonly #mostBytes: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(directory: string, mostBytes = MOST_BYTES) {
    this.#waiting = join(directory, "audit-outbox.jsonl");
    this.#leaving = join(directory, "audit-outbox-leaving.jsonl");
    this.#mostBytes = mostBytes;
  }

  /** Whether events wait, such as those of an earlier process. */
  async isEmpty(): Promise<boolean> {
    const sizes = await Promise.all([sizeOf(this.#waiting), sizeOf(this.#leaving)]);
    return sizes.every((size) => size === undefined);
  }

  /** Bytes of the events that wait, and when the oldest of them happened, in milliseconds since 1970. */
  async waiting(): Promise<{ bytes: number; oldestAt: number | undefined }> {
    const sizes = await Promise.all([sizeOf(this.#waiting), sizeOf(this.#leaving)]);
    const bytes = sizes.reduce<number>((sum, size = 0) => sum + size, 0);
    // What is being read is older than what comes meanwhile.
    const oldest = (await firstOf(this.#leaving)) ?? (await firstOf(this.#waiting));
    return { bytes, oldestAt: oldest && oldest.at / 1000 };
  }

  /** Keeps events; resolves once they are on the disk. Throws when it has no room for them. */
  append(events: readonly StoredEvent[]): Promise<void> {
    return this.#inTurn(async () => {
      // The line before may be half of one, of a process that was killed.
      const lines = Buffer.from(`\n${events.map((event) => JSON.stringify(event)).join("\n")}\n`);
      const size = await sizeOf(this.#waiting);
      const all = (size ?? 0) + ((await sizeOf(this.#leaving)) ?? 0) + lines.length;
      if (all > this.#mostBytes) throw new Error(`more than ${this.#mostBytes} bytes of events wait for the database`);
      const file = await open(this.#waiting, "a", 0o600);
      try {
        await file.writeFile(lines);
        await file.datasync();
      } finally {
        await file.close();
      }
      if (size === undefined) await syncDirectory(dirname(this.#waiting));
    });
  }

  /** Gives all events that wait to `take`, some at a time, and forgets them once it has taken all; one drain at a time. */
  async drain(take: (events: StoredEvent[]) => Promise<void>): Promise<void> {
    while (await this.#inTurn(() => this.#setAside())) {
      for await (const events of readBatches(this.#leaving)) await take(events);
      await unlink(this.#leaving);
      await syncDirectory(dirname(this.#leaving));
    }
  }

  /** Whether there is a file to be read, which nothing is added to any more. */
  async #setAside(): Promise<boolean> {
    if ((await sizeOf(this.#leaving)) !== undefined) return true;
    if ((await sizeOf(this.#waiting)) === undefined) return false;
    await rename(this.#waiting, this.#leaving);
    return true;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** Bytes of a file; undefined when there is none. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The first event of a file; undefined when there is none. */
async function firstOf(path: string): Promise<StoredEvent | undefined> {
  const lines = createReadStream(path, { end: FIRST_BYTES });
  try {
    for await (const line of createInterface({ input: lines, crlfDelay: Number.POSITIVE_INFINITY })) {
      const event = parse(line);
      if (event) return event;
    }
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  } finally {
    lines.destroy();
  }
}

async function* readBatches(path: string): AsyncGenerator<StoredEvent[]> {
  let batch: StoredEvent[] = [];
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    const event = parse(line);
    if (!event) continue;
    batch.push(event);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The event of a line; undefined for one that a crash has cut off, of which nobody was told that it is kept. */
function parse(line: string): StoredEvent | undefined {
  if (line === "") return undefined;
  try {
    return JSON.parse(line) as StoredEvent;
  } catch {
    return undefined;
  }
}
