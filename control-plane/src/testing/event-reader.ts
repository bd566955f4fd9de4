import type { StreamReady, TeamEvent } from "@warren/contracts/rest/events";

/** An event as it came. */
export interface ReceivedEvent {
  /** Empty for what has no name. */
  name: string;
  id: string | undefined;
  data: TeamEvent;
}

/** A client of `GET /v1/events`, which reads on only when it is asked to. */
export class EventReader {
  readonly response: Response;
  readonly #abort: AbortController;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";
  /** The id from which a next stream would go on. */
  lastId = "";
  /** Lines of comments so far. */
  comments = 0;
  ready: StreamReady | undefined;

  private constructor(response: Response, abort: AbortController) {
    this.response = response;
    this.#abort = abort;
    this.#reader = response.body!.pipeThrough(new TextDecoderStream() as never).getReader() as never;
  }

  /** Opens a stream and waits until it is ready; throws the text of an answer that refuses it. */
  static async open(url: string, headers: Record<string, string>, query = ""): Promise<EventReader> {
    const abort = new AbortController();
    const response = await fetch(`${url}/v1/events${query}`, { headers, signal: abort.signal });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    const reader = new EventReader(response, abort);
    const first = await reader.#next();
    if (first?.name !== "ready") throw new Error(`the stream began with ${JSON.stringify(first)}`);
    reader.ready = first.data as unknown as StreamReady;
    return reader;
  }

  /** The next event; undefined when the stream has ended. */
  async next(): Promise<ReceivedEvent | undefined> {
    return this.#next();
  }

  /** Events up to the first for which `isLast` holds. */
  async until(isLast: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent[]> {
    const events: ReceivedEvent[] = [];
    for (let event = await this.#next(); event; event = await this.#next()) {
      events.push(event);
      if (isLast(event)) return events;
    }
    throw new Error(`the stream ended after ${JSON.stringify(events.map(({ data }) => data))}`);
  }

  /** So many events. */
  async take(count: number): Promise<ReceivedEvent[]> {
    const events: ReceivedEvent[] = [];
    return count === 0 ? events : this.until((event) => events.push(event) === count);
  }

  /** Resolves when the stream has ended or broken. */
  async ended(): Promise<void> {
    try {
      while (await this.#next());
    } catch {
      // The connection broke.
    }
  }

  /** Leaves, as a client does that is closed. */
  close(): void {
    this.#abort.abort();
  }

  async #next(): Promise<ReceivedEvent | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end === -1) {
        const { value, done } = await this.#reader.read();
        if (done) return undefined;
        this.#text += value;
        continue;
      }
      const block = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      const event = this.#parse(block);
      if (event) return event;
    }
  }

  /** Reads the lines between two empty ones, as browsers do (HTML standard, section 9.2.6). */
  #parse(block: string): ReceivedEvent | undefined {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      if (line.startsWith(":")) this.comments++;
      else fields.set(line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2));
    }
    this.lastId = fields.get("id") ?? this.lastId;
    const data = fields.get("data");
    return data === undefined
      ? undefined
      : { name: fields.get("event") ?? "", id: fields.get("id"), data: JSON.parse(data) };
  }
}
