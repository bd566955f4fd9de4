import { setTimeout as delay } from "node:timers/promises";
import { WarrenError } from "@warren/contracts/errors";
import { HEARTBEAT_SEC } from "@warren/contracts/rest/events";
import type { Messages } from "../database/messages.ts";
import type { Logger } from "../logging.ts";
import { EventBatch, type SentEvent, toSentEvent } from "./event-frames.ts";
import type { EventLog, EventPage } from "./event-log.ts";
import type { EventPosition } from "./event-position.ts";
import type { EventResources } from "./event-resources.ts";
import { EVENTS_CHANNEL } from "./event-waker.ts";
import { Turns } from "./turns.ts";

/** Events of one read at most, and bytes of what is made of them at which the rest waits for the next: of all who follow. */
const PAGE = { events: 500, bytes: 4 * 1024 * 1024 };
/** The same of a follower that reads by itself, for which it is held. */
const OWN_PAGE = { events: 200, bytes: 128 * 1024 };
/** Milliseconds between two reads: what comes meanwhile is read together. */
const READ_INTERVAL_MS = 20;
/** Milliseconds before a read that has failed is tried again. */
const RETRY_MS = 1000;
/** Reads for single streams at the same time. */
const PARALLEL_READS = 2;

/** Who follows the events of a team. */
export interface Follower {
  readonly teamId: string;
  /** Takes what has happened since the batch before, of which nothing may concern it. */
  take(batch: EventBatch): void;
  /** Something may have happened after this position that is in no batch. */
  miss(position: EventPosition): void;
  /** Says that it is alive; `position` is that of those who have taken all. */
  beat(position: EventPosition): void;
  /** Ends, since the server does. */
  end(): void;
}

/** What a follower that reads by itself gets next. */
export interface FollowerPage {
  batch: EventBatch;
  more: boolean;
  /** It has lost events, and gets none. */
  reset: boolean;
}

export interface EventFeedParts {
  events: EventLog;
  resources: EventResources;
  messages: Messages;
  log: Logger;
}

/**
 * Reads the log of events as it grows, once for all who follow it in this control plane, and only while somebody does. The
 * database and other control planes wake it; a message that is lost is made good by a read, when the connection is there again or
 * with the next heartbeat.
 */
export class EventFeed {
  readonly #parts: EventFeedParts;
  readonly #followers = new Map<string, Set<Follower>>();
  readonly #turns = new Turns(PARALLEL_READS);
  readonly #stop = new AbortController();
  #listening: Promise<() => Promise<void>> | undefined;
  #heartbeats: NodeJS.Timeout | undefined;
  #position: EventPosition | undefined;
  #starting: Promise<EventPosition> | undefined;
  #isWoken = false;
  #isReading = false;
  #reading: Promise<void> = Promise.resolve();

  constructor(parts: EventFeedParts) {
    this.#parts = parts;
  }

  /** How many there are. */
  get followers(): number {
    return this.#followers.values().reduce((sum, ofTeam) => sum + ofTeam.size, 0);
  }

  /** Gives a follower all batches from now on; resolves to the position from which they go on, or an earlier one. */
  async follow(follower: Follower): Promise<EventPosition> {
    if (this.#stop.signal.aborted) throw stopping();
    const ofTeam = this.#followers.get(follower.teamId) ?? new Set();
    this.#followers.set(follower.teamId, ofTeam.add(follower));
    try {
      await this.#listen();
      const position = await this.#start();
      if (this.#stop.signal.aborted) throw stopping();
      // All may have left meanwhile.
      if (this.#followers.size > 0) this.#wake();
      else this.#rest();
      return position;
    } catch (error) {
      this.leave(follower);
      throw error;
    }
  }

  leave(follower: Follower): void {
    const ofTeam = this.#followers.get(follower.teamId);
    ofTeam?.delete(follower);
    if (ofTeam?.size === 0) this.#followers.delete(follower.teamId);
    if (this.#followers.size === 0) this.#rest();
  }

  /** What comes after a position in a team. */
  page(position: EventPosition, teamId: string): Promise<FollowerPage> {
    return this.#turns.take(async () => {
      const page = await this.#parts.events.read(position, [teamId], OWN_PAGE.events);
      const { events, end, more } = await this.#prepare(position, page, OWN_PAGE.bytes);
      return { batch: new EventBatch(position, end, events), more, reset: page.reset };
    });
  }

  /** Ends all who follow. */
  async close(): Promise<void> {
    this.#stop.abort();
    for (const ofTeam of this.#followers.values()) for (const follower of ofTeam) follower.end();
    const stopListening = await this.#listening?.catch(() => undefined);
    await stopListening?.();
    await this.#reading;
    clearInterval(this.#heartbeats);
  }

  /** Reads nothing until somebody follows again. */
  #rest(): void {
    this.#position = undefined;
    clearInterval(this.#heartbeats);
    this.#heartbeats = undefined;
  }

  async #listen(): Promise<void> {
    const wake = () => this.#wake();
    this.#listening ??= this.#parts.messages
      .listen(EVENTS_CHANNEL, { onMessage: wake, onGap: wake })
      .catch((error: unknown) => {
        this.#listening = undefined;
        throw error;
      });
    await this.#listening;
  }

  /** The present position, which is taken from the database when nobody has followed until now. */
  async #start(): Promise<EventPosition> {
    this.#heartbeats ??= setInterval(() => this.#beat(), HEARTBEAT_SEC * 1000).unref();
    if (this.#position) return this.#position;
    this.#starting ??= this.#parts.events.end().finally(() => {
      this.#starting = undefined;
    });
    const end = await this.#starting;
    this.#position ??= end;
    return this.#position;
  }

  #beat(): void {
    const position = this.#position;
    if (!position) return;
    for (const ofTeam of this.#followers.values()) for (const follower of ofTeam) follower.beat(position);
    // A control plane that died may have told of nothing.
    this.#wake();
  }

  #wake(): void {
    this.#isWoken = true;
    if (this.#isReading) return;
    this.#isReading = true;
    this.#reading = this.#readOn();
  }

  async #readOn(): Promise<void> {
    while (this.#isWoken && this.#position && !this.#stop.signal.aborted) {
      this.#isWoken = false;
      let pauseMs = READ_INTERVAL_MS;
      try {
        await this.#read(this.#position);
      } catch (error) {
        this.#parts.log.warn({ err: error }, "the log of events could not be read; trying again");
        this.#isWoken = true;
        pauseMs = RETRY_MS;
      }
      await delay(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
    this.#isReading = false;
  }

  async #read(start: EventPosition): Promise<void> {
    const teamIds = [...this.#followers.keys()];
    const page = await this.#parts.events.read(start, teamIds, PAGE.events);
    const { events, end, more } = await this.#prepare(start, page, PAGE.bytes);
    // All have left meanwhile, and others may have come.
    if (this.#position !== start) return;
    this.#position = end;
    if (more) this.#isWoken = true;
    const byTeam = Map.groupBy(events, ({ teamId }) => teamId);
    const read = page.reset ? new Set<string>() : new Set(teamIds);
    for (const [teamId, ofTeam] of this.#followers) {
      const batch = new EventBatch(start, end, byTeam.get(teamId) ?? []);
      for (const follower of ofTeam) {
        if (read.has(teamId)) follower.take(batch);
        else follower.miss(start);
      }
    }
  }

  /** Makes what is sent of a page, or of as much of it as may be held at once. */
  async #prepare(start: EventPosition, page: EventPage, mostBytes: number) {
    const resources = await this.#parts.resources.read(page.events);
    const events: (SentEvent & { teamId: string })[] = [];
    let bytes = 0;
    let last = start;
    for (const [index, event] of page.events.entries()) {
      const sent = toSentEvent(event, resources[index]);
      events.push({ ...sent, teamId: event.team_id });
      last = last.after(event, page.end);
      bytes += sent.text.length;
      if (bytes >= mostBytes) break;
    }
    const more = page.more || events.length < page.events.length;
    return { events, end: more ? last : page.end, more };
  }
}

function stopping(): WarrenError {
  return new WarrenError("server_stopping", "the server is being stopped; try again when it is back");
}
