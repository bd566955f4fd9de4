import { ApiError } from "#lib/api/api-error.ts";
import { type LiveEvent, live } from "./live.svelte.ts";

export interface QueryOptions {
  /** Types of the events after which the data is another. */
  on?: LiveEvent["type"][];
  /** Milliseconds between two questions where no events come; 0 = never. */
  everyMs?: number;
  /** Milliseconds between two questions even while events come, for figures that change by themselves; default: never. */
  alwaysEveryMs?: number;
}

/** Milliseconds within which several events are one reason to ask. */
const GATHER_MS = 150;

/**
 * What the server answers, kept up to date: asked for at once, after events that concern it, and now and again where no
 * events come; never while the tab is hidden. What is there stays while it is asked for anew. To be made in a component.
 */
export class Query<T> {
  data = $state.raw<T>();
  error = $state.raw<ApiError>();
  /** Whether nothing is there yet. */
  loading = $derived(this.data === undefined && this.error === undefined);
  /** Whether an answer is awaited. */
  asking = $state(false);

  readonly #load: (signal: AbortSignal) => Promise<T>;
  readonly #options: QueryOptions;
  #abort: AbortController | undefined;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #isStale = false;

  constructor(load: (signal: AbortSignal) => Promise<T>, options: QueryOptions = {}) {
    this.#load = load;
    this.#options = options;
    // What the load reads of the state of the page (filters, the range) has it asked for anew when it changes.
    $effect(() => {
      void this.refresh();
      return () => this.#abort?.abort();
    });
    $effect(() => this.#listen());
    $effect(() => this.#repeat());
  }

  /** Asks now; an answer to an earlier question is no longer of interest. */
  async refresh(): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.#isStale = false;
    try {
      const loaded = this.#load(abort.signal);
      this.asking = true;
      const data = await loaded;
      if (this.#abort !== abort) return;
      this.data = data;
      this.error = undefined;
    } catch (error) {
      if (this.#abort !== abort || abort.signal.aborted) return;
      this.error = ApiError.from(error);
    }
    this.asking = false;
  }

  #listen(): () => void {
    const { on = [] } = this.#options;
    const onVisible = () => {
      if (!document.hidden && this.#isStale) void this.refresh();
    };
    document.addEventListener("visibilitychange", onVisible);
    const unsubscribe =
      on.length > 0 &&
      live.subscribe(({ type }) => {
        if (type === "reset" || on.includes(type)) this.#soon();
      });
    return () => {
      document.removeEventListener("visibilitychange", onVisible);
      if (unsubscribe) unsubscribe();
      clearTimeout(this.#gathering);
      this.#gathering = undefined;
    };
  }

  #repeat(): (() => void) | undefined {
    const { on = [], everyMs = 0, alwaysEveryMs = 0 } = this.#options;
    const hasEvents = on.length > 0 && live.connected;
    const interval = alwaysEveryMs || (hasEvents ? 0 : everyMs);
    if (interval === 0) return undefined;
    const timer = setInterval(() => this.#soon(), interval);
    return () => clearInterval(timer);
  }

  #soon(): void {
    this.#isStale = true;
    if (document.hidden) return;
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      void this.refresh();
    }, GATHER_MS);
  }
}
