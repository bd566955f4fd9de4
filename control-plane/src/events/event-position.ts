import { EVENT_ID } from "@warren/contracts/rest/events";

/** Transactions under way that an id names at most. */
const NAMED_OPEN = 64;
/** Characters of the name of a log. */
const LOG_CHARACTERS = 8;

/** Where an event stands in its log: the transaction that wrote it, and its number, which grows within a transaction. */
export interface EventPlace {
  xid: number;
  id: number;
}

/** A moment of a database as PostgreSQL names it: transactions from `next` on had not begun, nor had `open` ended. */
export interface Snapshot {
  next: number;
  open: readonly number[];
}

/**
 * Which events of a log a reader has. Transactions commit in another order than they begin or take numbers, so that a number
 * alone would skip the events of one that commits late. A reader has the events of all transactions but those from `next` on and
 * those in `open`; of these, it has the events up to a number, which is 0 for most.
 */
export class EventPosition {
  /** Name of the log. */
  readonly log: string;
  readonly next: number;
  readonly #nextSeen: number;
  readonly #open: ReadonlyMap<number, number>;

  private constructor(log: string, next: number, nextSeen: number, open: ReadonlyMap<number, number>) {
    this.log = log;
    this.next = next;
    this.#nextSeen = nextSeen;
    this.#open = open;
  }

  /** The position of a reader of all that a snapshot shows. */
  static of(log: string, { next, open }: Snapshot): EventPosition {
    return new EventPosition(log, next, 0, new Map(open.map((xid) => [xid, 0])));
  }

  /** Reads what `toString` writes; undefined for anything else. */
  static parse(text: string): EventPosition | undefined {
    if (!EVENT_ID.test(text)) return undefined;
    const log = text.slice(0, LOG_CHARACTERS);
    const [[next, nextSeen] = [0, 0], ...open] = text
      .slice(LOG_CHARACTERS + 1)
      .split("-")
      .map((token): [number, number] => {
        const [xid, seen = 0] = token.split(".").map(Number);
        return [xid!, seen];
      });
    // What has not begun by then is lacking as it is.
    return new EventPosition(log, next, nextSeen, new Map(open.filter(([xid]) => xid < next)));
  }

  /** As the id of an event. Of very many open transactions it names none, so that some events come again. */
  toString(): string {
    const token = (xid: number, seen: number) => (seen === 0 ? `-${xid}` : `-${xid}.${seen}`);
    if (this.#open.size > NAMED_OPEN) {
      const [xid, seen] = [...this.#open].reduce((least, entry) => (entry[0] < least[0] ? entry : least));
      return this.log + token(xid, seen);
    }
    let text = this.log + token(this.next, this.#nextSeen);
    for (const [xid, seen] of this.#open) text += token(xid, seen);
    return text;
  }

  /** Transactions of which the reader may lack events, each with the number up to which it has them; `next` is the first. */
  get lacking(): [xid: number, seen: number][] {
    return [[this.next, this.#nextSeen], ...this.#open];
  }

  /** Whether the reader lacks an event. */
  lacks({ xid, id }: EventPlace): boolean {
    if (xid > this.next) return true;
    if (xid === this.next) return id > this.#nextSeen;
    const seen = this.#open.get(xid);
    return seen !== undefined && id > seen;
  }

  /** The position after one more event of those that were read at `end`, in the order of transactions and numbers. */
  after({ xid, id }: EventPlace, end: EventPosition): EventPosition {
    if (xid < this.next)
      return new EventPosition(this.log, this.next, this.#nextSeen, new Map(this.#open).set(xid, id));
    // All that had been open before, and is not at `end`, came first.
    return new EventPosition(this.log, xid, id, new Map([...end.#open].filter(([each]) => each < xid)));
  }

  /** Whether a reader has all that one at another position has. Both must have read up to a snapshot. */
  covers(other: EventPosition): boolean {
    if (this.next !== other.next) return this.next > other.next;
    return this.#open.size <= other.#open.size;
  }
}
