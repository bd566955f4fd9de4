import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { EventType } from "@warren/contracts/rest/events";
import type { Logger } from "../logging.ts";
import type { EventFeed, Follower } from "./event-feed.ts";
import { type EventBatch, heartbeatFrame, readyFrame, resetFrame } from "./event-frames.ts";
import type { EventPosition } from "./event-position.ts";

/** Bytes that may wait for a client before it is given no more until it has taken them. */
const MOST_WAITING_BYTES = 128 * 1024;
/** Batches that are kept for a stream while it reads by itself. */
const MOST_KEPT_BATCHES = 64;
/** Milliseconds that clients wait before they connect again, each another time, so that not all come at once. */
const RETRY_MS = { least: 1000, spread: 2000 };

const LOST = "events were removed before they could be sent here; read anew what you keep";
const STOPPING = ": the server is being stopped\n\n";

export interface EventStreamOptions {
  teamId: string;
  types: readonly EventType[];
  /** From where it goes on; absent = from now. */
  after: EventPosition | undefined;
}

/**
 * The events of a team on their way to one client. A stream that is level with the feed gets what all get; one that goes on from
 * an earlier position, or whose client was slow, reads the log by itself until it is level again, so that little is held for it.
 */
export class EventStream implements Follower {
  readonly teamId: string;
  readonly #options: EventStreamOptions;
  readonly #feed: EventFeed;
  readonly #out: ServerResponse;
  readonly #log: Pick<Logger, "warn">;
  #state: "opening" | "reading" | "ahead" | "level" | "over" = "opening";
  /** What its client has been given; of one that is level, the feed knows. */
  #position: EventPosition | undefined;
  /** What the feed has given while it reads by itself; undefined when that is not all. */
  #kept: EventBatch[] | undefined;

  constructor(
    feed: EventFeed,
    options: EventStreamOptions,
    { out, log }: { out: ServerResponse; log: Pick<Logger, "warn"> },
  ) {
    this.teamId = options.teamId;
    this.#options = options;
    this.#feed = feed;
    this.#out = out;
    this.#log = log;
  }

  /** Joins the feed; an answer can still be refused until `begin`. */
  async open(): Promise<void> {
    const present = await this.#feed.follow(this);
    this.#position = this.#options.after ?? present;
  }

  /** Begins the answer, with more headers. */
  begin(headers: OutgoingHttpHeaders): void {
    if (this.#state === "over") return;
    // It lasts until its connection ends (RFC 9112, section 6.3): with a chunk around each event it is four buffers to write
    // instead of one, for each of many streams.
    this.#out.useChunkedEncodingByDefault = false;
    this.#out.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // Proxies that collect answers would hold events back.
      "x-accel-buffering": "no",
    });
    const { types, after } = this.#options;
    const retryMs = RETRY_MS.least + Math.floor(Math.random() * RETRY_MS.spread);
    const ready = { types: [...types], resumed: after !== undefined };
    this.#out.write(readyFrame(ready, retryMs, after ? undefined : this.#position));
    this.#readFrom(this.#position!);
  }

  /** Leaves the feed, once the answer is over. */
  close(): void {
    this.#state = "over";
    this.#kept = undefined;
    this.#feed.leave(this);
  }

  take(batch: EventBatch): void {
    if (this.#state === "reading") this.#keep(batch);
    else if (this.#state === "ahead") this.#catchUpWith(batch);
    else if (this.#state === "level") {
      if (this.#out.writableLength > MOST_WAITING_BYTES) this.#readFrom(batch.start);
      else this.#write(batch.framesFor(this.#options.types));
    }
  }

  miss(position: EventPosition): void {
    if (this.#state === "reading") this.#kept = undefined;
    else if (this.#state === "ahead") this.#readFrom(this.#position!);
    else if (this.#state === "level") this.#readFrom(position);
  }

  beat(position: EventPosition): void {
    if (this.#state === "opening" || this.#state === "over" || this.#out.writableLength > 0) return;
    this.#out.write(heartbeatFrame(this.#state === "level" ? position : undefined));
  }

  end(): void {
    if (this.#state === "opening" || this.#state === "over") return;
    this.close();
    this.#out.end(STOPPING);
  }

  #write(frames: Buffer | string | undefined): void {
    if (frames !== undefined) this.#out.write(frames);
  }

  #keep(batch: EventBatch): void {
    if (this.#kept && this.#kept.length < MOST_KEPT_BATCHES) this.#kept.push(batch);
    else this.#kept = undefined;
  }

  /** Takes of a batch what it lacks; it has read past the start of it. */
  #catchUpWith(batch: EventBatch): void {
    const position = this.#position!;
    if (!position.covers(batch.start)) {
      this.#readFrom(position);
      return;
    }
    this.#write(batch.framesFrom(position, this.#options.types));
    if (!batch.end.covers(position)) return;
    this.#position = undefined;
    this.#state = "level";
  }

  #readFrom(position: EventPosition): void {
    this.#state = "reading";
    this.#position = position;
    this.#kept = undefined;
    this.#readAll().catch((error: unknown) => {
      if (this.#state === "over") return;
      this.#log.warn({ err: error }, "a stream of events ends, since the log of events cannot be read");
      // Its client comes again, and goes on where it was.
      this.#out.end();
    });
  }

  /** Reads until nothing is left but what the feed has given meanwhile. */
  async #readAll(): Promise<void> {
    for (;;) {
      await this.#untilTaken();
      if (this.#isOver()) return;
      this.#kept = [];
      const { batch, more, reset } = await this.#feed.page(this.#position!, this.teamId);
      if (this.#isOver()) return;
      if (reset) this.#write(resetFrame({ message: LOST }, batch.end));
      else this.#write(batch.framesFrom(batch.start, this.#options.types));
      this.#position = batch.end;
      const kept: EventBatch[] | undefined = this.#kept;
      this.#kept = undefined;
      if (more || kept === undefined) continue;
      this.#state = "ahead";
      for (const each of kept) this.take(each);
      return;
    }
  }

  #isOver(): boolean {
    return this.#state === "over";
  }

  /** Resolves once the client has taken what waits for it, or has left. */
  async #untilTaken(): Promise<void> {
    if (!this.#out.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#out.off("drain", done);
        this.#out.off("close", done);
        resolve();
      };
      this.#out.on("drain", done).on("close", done);
    });
  }
}
