import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { FairTurns } from "./fair-turns.ts";

/** Work without end, in pieces of a tenth of a millisecond; tells of each until `isOver`. */
async function work(turns: FairTurns, owner: string, isOver: () => boolean, onPiece: () => void): Promise<void> {
  while (!isOver()) {
    const until = performance.now() + 0.1;
    while (performance.now() < until);
    onPiece();
    // As the iterators of messages that are there already.
    await undefined;
    await turns.next(owner);
  }
}

it("leaves the event loop to others while there is work without end", async () => {
  const turns = new FairTurns();
  let over = false;
  let pieces = 0;
  const working = work(
    turns,
    "endless",
    // Work that keeps the loop to itself ends as well.
    () => over || pieces > 20_000,
    () => pieces++,
  );
  for (let timer = 0; timer < 5; timer++) await setTimeout(1);
  over = true;
  await working;
  expect(pieces).toBeGreaterThan(0);
  expect(pieces).toBeLessThan(20_000);
});

it("gives an owner of much work no more turns than one of little", async () => {
  const turns = new FairTurns();
  const pieces = { many: 0, one: 0 };
  const isOver = () => pieces.one >= 300;
  const workers = Array.from({ length: 20 }, () => work(turns, "many", isOver, () => pieces.many++));
  await Promise.all([...workers, work(turns, "one", isOver, () => pieces.one++)]);
  // Twenty times as many pieces when each worker had a place of its own.
  expect(pieces.many).toBeLessThan(5 * pieces.one);
});
