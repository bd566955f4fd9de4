/** Names of the events of the stream that are changes. */
export const CHANGES = ["sandbox", "template", "api_key", "member", "team", "quota", "host"] as const;

/** What a reader of the team's stream is told. */
export type StreamMessage =
  /** The stream is open or broken; while it is broken nothing is told. */
  | { kind: "state"; isOpen: boolean }
  /** An event, with its data as it came. */
  | { kind: "event"; type: (typeof CHANGES)[number]; data: string }
  /** Events may be missing: whatever is known may be another by now. */
  | { kind: "gap" };

/** Milliseconds until a stream that the server refused is asked for again. */
const RETRY_MS = 60_000;

/** The stream of events of the team that the session acts for, until it is closed. Works in pages and in workers. */
export class TeamStream {
  readonly #tell: (message: StreamMessage) => void;
  #source: EventSource | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(tell: (message: StreamMessage) => void) {
    this.#tell = tell;
    this.#open();
  }

  get isOpen(): boolean {
    return this.#source?.readyState === EventSource.OPEN;
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
  }

  #open(): void {
    const source = new EventSource("/v1/events");
    this.#source = source;
    source.onopen = () => this.#tell({ kind: "state", isOpen: true });
    for (const type of CHANGES) {
      source.addEventListener(type, ({ data }) => this.#tell({ kind: "event", type, data }));
    }
    // From `ready` on nothing is missed; what was read before it may lack a change, unless the stream goes on where it was.
    source.addEventListener("ready", ({ data }) => {
      const { resumed } = JSON.parse(data) as { resumed: boolean };
      if (!resumed) this.#tell({ kind: "gap" });
    });
    source.addEventListener("reset", () => this.#tell({ kind: "gap" }));
    source.onerror = () => {
      this.#tell({ kind: "state", isOpen: false });
      // A connection that broke is made again by the browser, one that was refused is not.
      if (source.readyState === EventSource.CLOSED) this.#retry = setTimeout(() => this.#open(), RETRY_MS);
    };
  }
}
