import { session } from "#lib/session/session.svelte.ts";

/** What the stream tells of: names of its events. */
const TYPES = ["sandbox", "template", "api_key", "member", "team", "quota"] as const;

/** A change of something of the team, as the stream of events tells of it. */
export interface LiveEvent {
  /** What it is about. `reset`: events were lost, so that whatever is known may be another by now. */
  type: (typeof TYPES)[number] | "reset";
  action?: "created" | "changed" | "deleted";
  /** Id of what has changed, or name of the template. */
  id?: string;
  /** Status of a sandbox after the change. */
  status?: string;
  /** What has changed as the API shows it elsewhere; absent when it is gone. */
  resource?: unknown;
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
    for (const type of TYPES) {
      source.addEventListener(type, ({ data }) => this.#deliver(JSON.parse(data) as LiveEvent));
    }
    // From `ready` on nothing is missed; what was read before it may lack a change, unless the stream goes on where it was.
    source.addEventListener("ready", ({ data }) => {
      const { resumed } = JSON.parse(data) as { resumed: boolean };
      if (!resumed) this.#deliver({ type: "reset" });
    });
    source.addEventListener("reset", () => this.#deliver({ type: "reset" }));
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

  #deliver(event: LiveEvent): void {
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
