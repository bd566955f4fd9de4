import { createContext } from "svelte";
import { SvelteSet } from "svelte/reactivity";
import { serverNow } from "#lib/format/server-time.ts";
import { type LiveEvent, live } from "#lib/live/live.svelte.ts";
import { Query } from "#lib/live/query.svelte.ts";
import type { Capsule } from "../capsule.ts";
import { capsuleRunningCount } from "../running-count.svelte.ts";
import { listCapsules } from "./list-capsules.ts";
import { applyEvent, isCapsuleEvent } from "./merge.ts";

/** Milliseconds between two questions where no events come. */
const POLL_MS = 5000;
/** The same beside events, which do not tell when a capsule was used last. */
const ACTIVITY_MS = 30_000;
/** The same for those that have failed, which change seldom. */
const FAILED_POLL_MS = 30_000;
/** Milliseconds for which one that has failed stands among the others; after that the filter finds it. */
const FAILED_SHOWN_MS = 24 * 3600 * 1000;
/** Milliseconds for which a new row is marked. */
const FLASH_MS = 2000;

/**
 * The team's capsules as they are now. Those that others make wait behind a line until one wants to see them, so that
 * nothing moves under what one reads. To be made in a component.
 */
export class CapsuleList {
  /** Whether what happens is shown at once. */
  isLive = $state(true);
  /** Whether the dialog that creates one is open. */
  isCreating = $state(false);
  /** Those that were made a moment ago, or have just been let in. */
  readonly fresh = new SvelteSet<string>();

  readonly #living: Query<readonly Capsule[]>;
  readonly #failed: Query<readonly Capsule[]>;
  readonly #let = new SvelteSet<string>();
  #isRead = false;
  /** Events since the question that is being answered. */
  #since: LiveEvent[] = [];

  /** Those that failed, the newest first. */
  readonly failed = $derived.by(() => this.#failed.data ?? []);
  /** All that are not over, and those that failed of late. */
  readonly all = $derived.by(() => {
    const living = this.#living.data ?? [];
    const limit = serverNow() - FAILED_SHOWN_MS;
    const failed = this.failed.filter(({ last_updated }) => Date.parse(last_updated) > limit);
    return failed.length === 0 ? living : byAge([...living, ...failed]);
  });
  /** Those of them that are shown. */
  readonly shown = $derived.by(() => this.all.filter(({ id, status }) => status === "error" || this.#let.has(id)));
  /** How many wait to be shown. */
  readonly waiting = $derived.by(() => this.all.length - this.shown.length);

  constructor() {
    const isLive = () => this.isLive;
    this.#living = new Query((signal) => this.#read(signal), {
      // Changes themselves come as events; only after a gap in them the whole is read again.
      on: ["reset"],
      get everyMs() {
        return isLive() ? POLL_MS : 0;
      },
      get alwaysEveryMs() {
        return isLive() && live.connected ? ACTIVITY_MS : 0;
      },
    });
    this.#failed = new Query(readFailed, {
      get everyMs() {
        return isLive() ? FAILED_POLL_MS : 0;
      },
    });
    $effect(() => live.subscribe((event) => this.#take(event)));
    $effect(() => {
      if (this.#living.data) capsuleRunningCount.set(this.#living.data);
    });
  }

  get loading(): boolean {
    return this.#living.loading;
  }

  get asking(): boolean {
    return this.#living.asking;
  }

  /** What went wrong when they were read last. */
  get error() {
    return this.#living.error;
  }

  /** Whether they were read at all. */
  get isThere(): boolean {
    return this.#living.data !== undefined;
  }

  /** Opens the dialog that creates one. */
  create(): void {
    this.isCreating = true;
  }

  /** Reads all anew. */
  async refresh(): Promise<void> {
    await Promise.all([this.#living.refresh(), this.#failed.refresh()]);
  }

  /** Shows those that wait. */
  showWaiting(): void {
    for (const { id } of this.all) if (!this.#let.has(id)) this.#mark(id);
  }

  /** Puts one in that this page has made or changed, as the server answered it. */
  put(capsule: Capsule): void {
    const isNew = !this.#let.has(capsule.id);
    if (isNew) this.#mark(capsule.id);
    this.#apply({ type: "sandbox", action: "changed", id: capsule.id, resource: capsule });
  }

  /** Takes one out that this page has destroyed. */
  remove(id: string): void {
    this.#apply({ type: "sandbox", action: "deleted", id });
    if (this.#failed.data) this.#failed.data = this.#failed.data.filter((capsule) => capsule.id !== id);
  }

  async #read(signal: AbortSignal): Promise<readonly Capsule[]> {
    const since: LiveEvent[] = [];
    this.#since = since;
    const read: readonly Capsule[] = await listCapsules({ signal });
    const capsules = since.filter(isCapsuleEvent).reduce(applyEvent, read);
    if (!this.#isRead || this.shown.length === 0) for (const { id } of capsules) this.#let.add(id);
    this.#isRead = true;
    return capsules;
  }

  #take(event: LiveEvent): void {
    if (!this.isLive || event.type !== "sandbox") return;
    if (event.status === "error") void this.#failed.refresh();
    if (isCapsuleEvent(event)) this.#apply(event);
    else void this.#living.refresh();
  }

  #apply(event: LiveEvent): void {
    if (this.#living.asking) this.#since.push(event);
    if (!isCapsuleEvent(event) || !this.#living.data) return;
    // Nobody reads an empty list: the first comes at once.
    if (this.shown.length === 0 && this.all.length === 0) this.#let.add(event.id);
    this.#living.data = applyEvent(this.#living.data, event);
  }

  #mark(id: string): void {
    this.#let.add(id);
    this.fresh.add(id);
    setTimeout(() => this.fresh.delete(id), FLASH_MS);
  }
}

const readFailed = (signal: AbortSignal): Promise<readonly Capsule[]> =>
  listCapsules({ signal, params: { query: { status: ["error"] } } });

function byAge(capsules: Capsule[]): Capsule[] {
  return capsules.sort((a, b) => (a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : 0));
}

/** The list of the pages of capsules, which their layout makes. */
export const [capsuleList, setCapsuleList] = createContext<CapsuleList>();
