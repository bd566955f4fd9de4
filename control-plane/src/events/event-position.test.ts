import { EVENT_ID } from "@warren/contracts/rest/events";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EventPlace, EventPosition } from "./event-position.ts";

const LOG = "0a1b2c3d";

/** Something that happens in a database, or a read of its log. */
type Step = { kind: "begin" | "read" } | { kind: "write" | "commit" | "abort"; which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant<Step>({ kind: "begin" }),
  fc.constant<Step>({ kind: "read" }),
  fc.record({ kind: fc.constantFrom("write" as const, "write" as const, "commit" as const), which: fc.nat(9) }),
  fc.record({ kind: fc.constant("abort" as const), which: fc.nat(9) }),
);

/** Transactions that write events, and what a snapshot of them shows. */
class Database {
  readonly committed: EventPlace[] = [];
  readonly #open = new Map<number, EventPlace[]>();
  #next = 3;
  #lastId = 0;

  do({ kind, ...more }: Exclude<Step, { kind: "read" }>): void {
    if (kind === "begin") {
      this.#open.set(this.#next++, []);
      return;
    }
    const xid = [...this.#open.keys()][(more as { which: number }).which % Math.max(1, this.#open.size)];
    if (xid === undefined) return;
    const written = this.#open.get(xid)!;
    if (kind === "write") written.push({ xid, id: ++this.#lastId });
    else {
      this.#open.delete(xid);
      if (kind === "commit") this.committed.push(...written);
    }
  }

  commitAll(): void {
    while (this.#open.size > 0) this.do({ kind: "commit", which: 0 });
  }

  get end(): EventPosition {
    return EventPosition.of(LOG, { next: this.#next, open: [...this.#open.keys()] });
  }
}

/** What goes over the wire and comes back. */
const sent = (position: EventPosition) => EventPosition.parse(position.toString())!;

describe("the position of a reader", () => {
  it("leads to every event once, in whatever order transactions commit and wherever the reader begins again", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 4 }), (steps, limit) => {
        const database = new Database();
        let position = database.end;
        const read: EventPlace[] = [];
        const readOn = (most: number) => {
          const { end } = database;
          const lacking = database.committed
            .filter((event) => position.lacks(event))
            .sort((one, other) => one.xid - other.xid || one.id - other.id);
          for (const event of lacking.slice(0, most)) {
            read.push(event);
            position = sent(position.after(event, end));
          }
          if (lacking.length <= most) position = sent(end);
        };
        for (const each of steps) {
          if (each.kind === "read") readOn(limit);
          else database.do(each as Exclude<Step, { kind: "read" }>);
        }
        database.commitAll();
        readOn(Number.POSITIVE_INFINITY);
        const ids = read.map(({ id }) => id).sort((one, other) => one - other);
        expect(ids).toEqual(database.committed.map(({ id }) => id).sort((one, other) => one - other));
        expect(position.lacking).toEqual(database.end.lacking);
      }),
      { seed: 20_261_128, numRuns: 500 },
    );
  });

  it("of very many open transactions goes back rather than skip one", () => {
    const open = Array.from({ length: 200 }, (_, index) => 100 + 2 * index);
    const position = sent(EventPosition.of(LOG, { next: 1000, open }));
    for (const xid of [...open, 1000]) expect(position.lacks({ xid, id: 1 })).toBe(true);
    expect(position.toString().length).toBeLessThan(1000);
  });

  it("is read of what it was written as, and of nothing else", () => {
    const text = fc.oneof(
      fc.string(),
      fc.stringMatching(/^[0-9a-f-.]{0,60}$/),
      fc.stringMatching(/^[0-9a-f]{8}(-\d{1,17}(\.\d{1,17})?){0,70}$/),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        const position = EventPosition.parse(candidate);
        if (!position) return;
        expect(sent(position).lacking).toEqual(position.lacking);
        for (const [xid] of position.lacking) expect(Number.isSafeInteger(xid)).toBe(true);
      }),
      { seed: 20_261_128, numRuns: 2000 },
    );
  });

  it("is read of every text that has its form, and no other", () => {
    fc.assert(
      fc.property(fc.stringMatching(EVENT_ID), (id) => {
        const position = EventPosition.parse(id)!;
        expect(sent(position).lacking).toEqual(position.lacking);
        // What has not begun by then is not open.
        for (const [xid] of position.lacking.slice(1)) expect(xid).toBeLessThan(position.next);
      }),
      { seed: 20_261_128, numRuns: 500 },
    );
    expect(EventPosition.parse("831bfbf9-5-32")).toEqual(EventPosition.parse("831bfbf9-5"));
    for (const text of ["", "831bfbf9", "831bfbf9-", "831bfbf-5", "831bfbf9-5-", "831bfbf9-5.", "831bfbf9-x"])
      expect(EventPosition.parse(text)).toBeUndefined();
  });
});
