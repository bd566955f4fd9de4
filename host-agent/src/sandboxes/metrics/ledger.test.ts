import { expect, test } from "vitest";
import { openAccount, settle } from "./account.ts";
import { Ledger } from "./ledger.ts";

const DAY = 86_400_000;
const MIDNIGHT = Date.UTC(2026, 0, 2);
const NOW = MIDNIGHT + DAY / 2;

/** Counts a sandbox up to a time, since which it has had 1 MiB of disk. */
function count(ledger: Ledger, id: string, now = NOW) {
  const account = ledger.accounts.get(id) ?? openAccount({ id, teamId: "team", memoryMb: 128, at: now - 1000 });
  ledger.accounts.set(id, account);
  account.diskMb = 1;
  settle(account, { now, elapsedMs: now - account.at, round: ledger.round });
  return account;
}

/** The sandboxes and days of an answer. */
function daysOf({ usage }: ReturnType<Ledger["collect"]>) {
  return usage.map(({ sandboxId, day }) => [sandboxId, day]);
}

function addPoint(ledger: Ledger, sandboxId: string): void {
  const used = { cpuUs: 0, rxBytes: 0, txBytes: 0, vmmMemoryBytes: 0, diskBytes: 0 };
  ledger.add({ sandboxId, at: NOW, spanMs: 10, ...used });
}

test("what is not acknowledged is given again, what is acknowledged is not, and a round under way not yet", () => {
  const ledger = new Ledger();
  count(ledger, "one");
  addPoint(ledger, "one");
  expect(ledger.collect(undefined)).toMatchObject({ points: [], usage: [], more: false });
  ledger.nextRound();
  const first = ledger.collect(undefined);
  expect(first).toMatchObject({ points: [{ sandboxId: "one" }], usage: [{ sandboxId: "one", diskMbMs: 1000 }] });
  expect(ledger.collect(undefined)).toEqual(first);
  expect(ledger.collect({ ...first.cursor, ledger: "another" })).toEqual(first);
  const second = ledger.collect(first.cursor);
  expect(second).toMatchObject({ points: [], usage: [], cursor: first.cursor });
});

test("accounts of sandboxes that are gone are forgotten once all of them is kept", () => {
  const ledger = new Ledger();
  count(ledger, "gone").ended = true;
  count(ledger, "there");
  ledger.nextRound();
  const { cursor } = ledger.collect(undefined);
  expect(ledger.accounts.size).toBe(2);
  ledger.collect(cursor);
  expect([...ledger.accounts.keys()]).toEqual(["there"]);
});

test("a day that is over is given until it is kept, and not again however often its sandbox is measured", () => {
  const ledger = new Ledger();
  count(ledger, "there", MIDNIGHT - 1000);
  count(ledger, "there", MIDNIGHT + 1000);
  ledger.nextRound();
  const first = ledger.collect(undefined);
  expect(daysOf(first)).toEqual([
    ["there", "2026-01-01"],
    ["there", "2026-01-02"],
  ]);
  count(ledger, "there");
  ledger.nextRound();
  expect(daysOf(ledger.collect(first.cursor))).toEqual([["there", "2026-01-02"]]);
});

test("a day that was kept goes on from there until it is counted to its end", () => {
  const ledger = new Ledger();
  count(ledger, "there", MIDNIGHT - 1000);
  ledger.nextRound();
  const { cursor } = ledger.collect(undefined);
  ledger.collect(cursor);
  count(ledger, "there", MIDNIGHT + 1000);
  ledger.nextRound();
  const days = ledger.collect(cursor).usage;
  expect(days.map(({ day, diskMbMs }) => [day, diskMbMs])).toEqual([
    ["2026-01-01", 2000],
    ["2026-01-02", 1000],
  ]);
});

test.each([
  ["over midnight", MIDNIGHT + 5000],
  ["from a day in which it was ahead", MIDNIGHT + 20 * DAY],
])(
  "a clock that is put back %s goes on with the day that was kept, and that day is forgotten later",
  (_what, wrong) => {
    const ledger = new Ledger();
    const account = count(ledger, "there", MIDNIGHT - 1000);
    const go = (now: number, elapsedMs: number) => settle(account, { now, elapsedMs, round: ledger.round });
    go(wrong, 1000);
    ledger.nextRound();
    const { cursor } = ledger.collect(undefined);
    ledger.collect(cursor);
    go(MIDNIGHT - 50_000, 10_000);
    ledger.nextRound();
    const again = ledger.collect(cursor);
    expect(again.usage.map(({ day, diskMbMs }) => [day, diskMbMs])).toEqual([["2026-01-01", 1000 + 10_000]]);
    for (const day of [2, 3, 4]) {
      go(NOW + day * DAY, 1000);
      ledger.nextRound();
    }
    const last = ledger.collect(again.cursor);
    ledger.collect(last.cursor);
    expect(Object.keys(account.days)).toEqual(["2026-01-04", "2026-01-05", "2026-01-06"]);
  },
);

test("of many days that were counted at once, the last goes on", () => {
  const ledger = new Ledger();
  count(ledger, "there", MIDNIGHT - 1000);
  count(ledger, "there", NOW + 9 * DAY);
  ledger.nextRound();
  const { cursor } = ledger.collect(undefined);
  ledger.collect(cursor);
  count(ledger, "there", NOW + 9 * DAY + 1000);
  ledger.nextRound();
  expect(ledger.collect(cursor).usage).toMatchObject([{ day: "2026-01-11", diskMbMs: DAY / 2 + 1000 }]);
});

test("a day of a sandbox that is measured on is not taken for kept when an answer held no more", () => {
  const ledger = new Ledger();
  count(ledger, "there", MIDNIGHT - 1000);
  ledger.nextRound();
  for (let index = 0; index < 10_000; index++) count(ledger, `sb${index}`);
  ledger.nextRound();
  count(ledger, "there");
  ledger.nextRound();
  const given: string[][] = [];
  let cursor: ReturnType<Ledger["collect"]>["cursor"] | undefined;
  for (let more = true; more; ) {
    const answer = ledger.collect(cursor);
    given.push(...daysOf(answer));
    ({ cursor, more } = answer);
  }
  expect(given.filter(([id]) => id === "there")).toEqual([
    ["there", "2026-01-01"],
    ["there", "2026-01-02"],
  ]);
});

test("what is much comes in several answers, each of whole rounds", () => {
  const ledger = new Ledger();
  for (let round = 0; round < 5; round++) {
    for (let index = 0; index < 4000; index++) addPoint(ledger, `sb${index}`);
    ledger.nextRound();
  }
  const sizes: number[] = [];
  let cursor: ReturnType<Ledger["collect"]>["cursor"] | undefined;
  for (let more = true; more; ) {
    const answer = ledger.collect(cursor);
    sizes.push(answer.points.length);
    cursor = answer.cursor;
    more = answer.more;
  }
  expect(sizes).toEqual([12_000, 8000]);
});

test("what nobody takes is bounded: the oldest is given up, and said", () => {
  const ledger = new Ledger();
  for (let index = 0; index < 100_010; index++) addPoint(ledger, `sb${index}`);
  for (let index = 0; index < 20_005; index++) count(ledger, `gone${index}`).ended = true;
  count(ledger, "there");
  expect(ledger.nextRound()).toEqual({ points: 10, accounts: 5 });
  expect(ledger.points[0]?.sandboxId).toBe("sb10");
  expect(ledger.accounts.has("gone4")).toBe(false);
  expect(ledger.accounts.has("gone5") && ledger.accounts.has("there")).toBe(true);
});

test("a ledger that is read again gives what changes after it, whatever was kept of rounds that it does not know", () => {
  const ledger = new Ledger();
  count(ledger, "one");
  ledger.nextRound();
  const written = structuredClone(ledger.state);
  // These rounds were collected, and never written.
  for (let round = 0; round < 10; round++) ledger.nextRound();
  count(ledger, "one");
  ledger.nextRound();
  const { cursor } = ledger.collect(undefined);
  const again = new Ledger(written);
  count(again, "two");
  again.nextRound();
  expect(daysOf(again.collect(cursor))).toEqual([["two", "2026-01-02"]]);
});
