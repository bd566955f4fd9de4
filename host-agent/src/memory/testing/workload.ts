import { WarrenError } from "@warren/contracts/errors";
import { captureLayer } from "../capture/capture.ts";
import { PAGE_SIZE } from "../pages.ts";
import { collectGarbage } from "../store/garbage.ts";
import { mergeLayers } from "../store/merge.ts";
import type { MemoryStore } from "../store/store.ts";
import { PlainMemory } from "./plain-memory.ts";
import type { Random } from "./random.ts";

const PAGES = 24;
const MOST_HEADERS = 6;

/** What was promised to whom: the facts that must hold after a crash. */
export interface Ledger {
  /** Content of every header that may exist, by id. */
  content(id: string): Buffer;
  /** A header is about to be published: it may or may not be there from here on. */
  publishing(id: string, content: Buffer): void;
  /** It must be there from here on. */
  published(id: string): void;
  /** It may or may not be there from here on. */
  releasing(id: string): void;
}

/** Does what a host agent does to a store, in random order. */
export class Workload {
  readonly #store: MemoryStore;
  readonly #random: Random;
  readonly #ledger: Ledger;
  readonly #headers: string[];

  constructor(store: MemoryStore, random: Random, ledger: Ledger, headers: string[]) {
    this.#store = store;
    this.#random = random;
    this.#ledger = ledger;
    this.#headers = [...headers];
  }

  /** Two things at once, so that they meet in every way. */
  async step(): Promise<void> {
    for (const result of await Promise.allSettled([this.#one(), this.#one()])) {
      if (result.status === "rejected" && !isRace(result.reason)) throw result.reason;
    }
  }

  async #one(): Promise<void> {
    const choice = this.#random.next();
    if (choice < 0.55 && this.#headers.length < MOST_HEADERS) await this.#capture();
    else if (choice < 0.75) await this.#release();
    else if (choice < 0.9) await this.#merge();
    else await collectGarbage(this.#store);
  }

  async #capture(): Promise<void> {
    const parent = this.#random.chance(0.2) ? undefined : this.#random.pick(this.#headers);
    const memory = new PlainMemory(
      parent === undefined ? Buffer.alloc(PAGES * PAGE_SIZE) : this.#ledger.content(parent),
    );
    for (let page = 0; page < PAGES; page++) {
      if (this.#random.chance(0.3)) memory.fill(page, this.#random.chance(0.3) ? 0 : this.#random.below(256));
    }
    const capture = await captureLayer(this.#store, memory, parent ?? null);
    this.#ledger.publishing(capture.id, memory.content);
    await capture.publish();
    this.#ledger.published(capture.id);
    this.#headers.push(capture.id);
  }

  async #release(): Promise<void> {
    const [id] = this.#headers.splice(this.#random.below(this.#headers.length), 1);
    if (id === undefined) return;
    this.#ledger.releasing(id);
    await this.#store.release(id);
  }

  async #merge(): Promise<void> {
    const id = this.#random.pick(this.#headers);
    if (id !== undefined) await mergeLayers(this.#store, id);
  }
}

/** The one of two things at once took away what the other needed. */
function isRace(error: unknown): boolean {
  return error instanceof WarrenError && error.code === "not_found";
}
