import { ApiError } from "#lib/api/api-error.ts";
import { Asking } from "./asking.ts";
import { type LiveEvent, live } from "./live.svelte.ts";

export interface QueryOptions {
  /** Types of the events after which the data is another. */
  on?: LiveEvent["type"][];
  /** Which events of these types concern it; default: all. */
  about?: (event: LiveEvent) => boolean;
  /** Milliseconds within which several events are one reason to ask where they go on and on; default: 150. */
  gatherMs?: number;
  /** Milliseconds between two questions where no events come; 0 = never. */
  everyMs?: number;
  /** Milliseconds between two questions even while events come, for figures that change by themselves; default: never. */
  alwaysEveryMs?: number | (() => number);
  /** Calls `changed` when the data is another for a reason that is none of the team's events, until what it returns is called. */
  also?: (changed: () => void) => () => void;
}

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

  readonly #asking: Asking<T>;
  readonly #options: QueryOptions;

  constructor(load: (signal: AbortSignal) => Promise<T>, options: QueryOptions = {}) {
    this.#options = options;
    this.#asking = new Asking<T>({
      load,
      onAsking: (asking) => {
        this.asking = asking;
      },
      onAnswer: (data) => {
        this.data = data;
        this.error = undefined;
      },
      onError: (error) => {
        this.error = ApiError.from(error);
      },
      isHidden: () => document.hidden,
      ...(options.gatherMs === undefined ? {} : { gatherMs: options.gatherMs }),
    });
    // What the load reads of the state of the page (filters, the range) has it asked for anew when it changes.
    $effect(() => {
      void this.refresh();
      return () => this.#asking.giveUp();
    });
    $effect(() => this.#listen());
    $effect(() => this.#repeat());
  }

  /** Asks now; an answer to an earlier question is no longer of interest. */
  async refresh(): Promise<void> {
    await this.#asking.now();
  }

  #listen(): () => void {
    const { on = [], about = () => true, also } = this.#options;
    const stopAlso = also?.(() => this.#asking.soon());
    const onVisible = () => {
      if (!document.hidden) this.#asking.seen();
    };
    document.addEventListener("visibilitychange", onVisible);
    const unsubscribe =
      on.length > 0 &&
      live.subscribe((event) => {
        if (event.type === "reset" || (on.includes(event.type) && about(event))) this.#asking.soon();
      });
    return () => {
      document.removeEventListener("visibilitychange", onVisible);
      if (unsubscribe) unsubscribe();
      stopAlso?.();
      this.#asking.rest();
    };
  }

  #repeat(): (() => void) | undefined {
    const { on = [], everyMs = 0, alwaysEveryMs = 0 } = this.#options;
    const hasEvents = on.length > 0 && live.connected;
    const always = typeof alwaysEveryMs === "number" ? alwaysEveryMs : alwaysEveryMs();
    const interval = always || (hasEvents ? 0 : everyMs);
    if (interval === 0) return undefined;
    const timer = setInterval(() => this.#asking.soon(), interval);
    return () => clearInterval(timer);
  }
}
