import { expect, test } from "vitest";
import { type Account, openAccount } from "./account.ts";
import { Ledger } from "./ledger.ts";

const NOW = Date.UTC(2026, 0, 2, 12);
const USAGE = { cpuUs: 1, memoryMbMs: 2, diskMbMs: 3, egressBytes: 4 };

function account(ledger: Ledger, id: string, fields: Partial<Account> = {}): Account {
  const made = { ...openAccount({ id, teamId: "team", memoryMb: 128, at: NOW }), round: ledger.round, ...fields };
  ledger.accounts.set(id, made);
  return made;
}

function addPoint(ledger: Ledger, sandboxId: string): void {
  const used = { cpuUs: 0, rxBytes: 0, txBytes: 0, vmmMemoryBytes: 0, diskBytes: 0 };
  ledger.add({ sandboxId, at: NOW, spanMs: 10, ...used });
}

test("what is not acknowledged is given again, what is acknowledged is not, and a round under way not yet", () => {
  const ledger = new Ledger();
  account(ledger, "one", { days: { "2026-01-02": USAGE } });
  addPoint(ledger, "one");
  expect(ledger.collect(undefined, NOW)).toMatchObject({ points: [], accounts: [], more: false });
  ledger.nextRound();
  const first = ledger.collect(undefined, NOW);
  expect(first).toMatchObject({ points: [{ sandboxId: "one" }], accounts: [{ id: "one" }] });
  expect(ledger.collect(undefined, NOW)).toEqual(first);
  expect(ledger.collect({ ...first.cursor, ledger: "another" }, NOW)).toEqual(first);
  const second = ledger.collect(first.cursor, NOW);
  expect(second).toMatchObject({ points: [], accounts: [], cursor: first.cursor });
});

test("days that are over are forgotten once they are kept, and accounts of sandboxes that are gone as well", () => {
  const ledger = new Ledger();
  account(ledger, "gone", { ended: true, days: { "2026-01-02": USAGE } });
  account(ledger, "there", { days: { "2026-01-01": USAGE, "2026-01-02": USAGE } });
  ledger.nextRound();
  const { cursor } = ledger.collect(undefined, NOW);
  expect(ledger.accounts.size).toBe(2);
  ledger.collect(cursor, NOW);
  expect([...ledger.accounts.values()].map(({ id, days }) => [id, Object.keys(days)])).toEqual([
    ["there", ["2026-01-02"]],
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
  for (let index = 0; index < 20_005; index++) account(ledger, `gone${index}`, { ended: true });
  account(ledger, "there");
  expect(ledger.nextRound()).toEqual({ points: 10, accounts: 5 });
  expect(ledger.points[0]?.sandboxId).toBe("sb10");
  expect(ledger.accounts.has("gone4")).toBe(false);
  expect(ledger.accounts.has("gone5") && ledger.accounts.has("there")).toBe(true);
});

test("a ledger that is read again gives what changes after it, whatever was kept of rounds that it does not know", () => {
  const ledger = new Ledger();
  account(ledger, "one");
  ledger.nextRound();
  const written = structuredClone(ledger.state);
  // These rounds were collected, and never written.
  for (let round = 0; round < 10; round++) ledger.nextRound();
  account(ledger, "one");
  ledger.nextRound();
  const { cursor } = ledger.collect(undefined, NOW);
  const again = new Ledger(written);
  account(again, "two");
  again.nextRound();
  expect(again.collect(cursor, NOW).accounts.map(({ id }) => id)).toEqual(["two"]);
});
