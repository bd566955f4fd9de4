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
  expect(ledger.collect(undefined, NOW)).toMatchObject({ points: [], usage: [], more: false });
  ledger.nextRound();
  const first = ledger.collect(undefined, NOW);
  expect(first).toMatchObject({ points: [{ sandboxId: "one" }], usage: [{ sandboxId: "one", diskMbMs: 1000 }] });
  expect(ledger.collect(undefined, NOW)).toEqual(first);
  expect(ledger.collect({ ...first.cursor, ledger: "another" }, NOW)).toEqual(first);
  const second = ledger.collect(first.cursor, NOW);
  expect(second).toMatchObject({ points: [], usage: [], cursor: first.cursor });
});

test("accounts of sandboxes that are gone are forgotten once all of them is kept", () => {
  const ledger = new Ledger();
  count(ledger, "gone").ended = true;
  count(ledger, "there");
  ledger.nextRound();
  const { cursor } = ledger.collect(undefined, NOW);
  expect(ledger.accounts.size).toBe(2);
  ledger.collect(cursor, NOW);
  expect([...ledger.accounts.keys()]).toEqual(["there"]);
});

test("a day that is over is given until it is kept, and not again however often its sandbox is measured", () => {
  const ledger = new Ledger();
  count(ledger, "there", MIDNIGHT - 1000);
  count(ledger, "there", MIDNIGHT + 1000);
  ledger.nextRound();
  const first = ledger.collect(undefined, NOW);
  expect(daysOf(first)).toEqual([
    ["there", "2026-01-01"],
    ["there", "2026-01-02"],
  ]);
  count(ledger, "there");
  ledger.nextRound();
  expect(daysOf(ledger.collect(first.cursor, NOW))).toEqual([["there", "2026-01-02"]]);
});

test("a day that was kept goes on from there until it is counted to its end", () => {
  const ledger = new Ledger();
  count(ledger, "there", MIDNIGHT - 1000);
  ledger.nextRound();
  const { cursor } = ledger.collect(undefined, MIDNIGHT - 500);
  ledger.collect(cursor, MIDNIGHT + 500);
  count(ledger, "there", MIDNIGHT + 1000);
  ledger.nextRound();
  const days = ledger.collect(cursor, MIDNIGHT + 1000).usage;
  expect(days.map(({ day, diskMbMs }) => [day, diskMbMs])).toEqual([
    ["2026-01-01", 2000],
    ["2026-01-02", 1000],
  ]);
});

test("a clock that is put back over midnight goes on with the day that was kept, and that day is forgotten later", () => {
  const ledger = new Ledger();
  const account = count(ledger, "there", MIDNIGHT - 1000);
  count(ledger, "there", MIDNIGHT + 5000);
  ledger.nextRound();
  const { cursor } = ledger.collect(undefined, MIDNIGHT + 5000);
  ledger.collect(cursor, MIDNIGHT + 5000);
  // Ten seconds have passed, and the clock is a minute behind where it was.
  settle(account, { now: MIDNIGHT - 50_000, elapsedMs: 10_000, round: ledger.round });
  ledger.nextRound();
  const again = ledger.collect(cursor, MIDNIGHT - 50_000);
  expect(again.usage.map(({ day, diskMbMs }) => [day, diskMbMs])).toEqual([["2026-01-01", 2000 + 10_000]]);
  count(ledger, "there", MIDNIGHT + 1.5 * DAY);
  ledger.nextRound();
  const last = ledger.collect(again.cursor, MIDNIGHT + 1.5 * DAY);
  ledger.collect(last.cursor, MIDNIGHT + 1.5 * DAY);
  expect(Object.keys(account.days)).toEqual(["2026-01-02", "2026-01-03"]);
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
    const answer = ledger.collect(cursor, NOW);
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
    const answer = ledger.collect(cursor, NOW);
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
  const { cursor } = ledger.collect(undefined, NOW);
  const again = new Ledger(written);
  count(again, "two");
  again.nextRound();
  expect(daysOf(again.collect(cursor, NOW))).toEqual([["two", "2026-01-02"]]);
});
