import { session } from "#lib/session/session.svelte.ts";

/** A change of something of the team, as the stream of events tells of it. */
export interface LiveEvent {
  /** What happened, such as `sandbox.paused`. */
  type: string;
  [field: string]: unknown;
}

type Listener = (event: LiveEvent) => void;

/** Milliseconds until a stream that the server refused is asked for again. */
const RETRY_MS = 60_000;

/**
 * The team's events as they happen, by one stream per tab, which is open while something listens and the session is the
 * same. Where the server has no stream, or while it is broken, `connected` is false: then one asks now and again.
 */
class Live {
  connected = $state(false);

  readonly #listeners = new Set<Listener>();
  #source: EventSource | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    session.onReset(() => this.#close());
  }

  /** Calls for each event until the returned function is called. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.#open();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#close();
    };
  }

  #open(): void {
    if (this.#source || this.#retry !== undefined || this.#listeners.size === 0) return;
    const source = new EventSource("/v1/events");
    this.#source = source;
    source.onopen = () => {
      this.connected = true;
    };
    source.onmessage = ({ data }) => this.#deliver(data);
    source.onerror = () => {
      this.connected = false;
      // A connection that broke is made again by the browser, one that was refused is not.
      if (source.readyState !== EventSource.CLOSED) return;
      this.#source = undefined;
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.#open();
      }, RETRY_MS);
    };
  }

  #deliver(data: string): void {
    const event = JSON.parse(data) as LiveEvent;
    for (const listener of this.#listeners) listener(event);
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#source?.close();
    this.#source = undefined;
    this.connected = false;
  }
}

/** The one stream of this tab. */
export const live = new Live();
