import { expect, test, vi } from "vitest";
import { createLogger } from "../logging.ts";
import { PartitionUpkeep } from "./partition-upkeep.ts";

const log = createLogger("silent");
const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A table of which the first look may fail. */
function newTable(failure?: Error) {
  const maintain = vi.fn<(now: Date) => Promise<void>>(async () => undefined);
  if (failure) maintain.mockRejectedValueOnce(failure);
  return { maintain };
}

test("tables are looked after once an hour", async () => {
  const { maintain } = newTable();
  const upkeep = new PartitionUpkeep([{ maintain }], log);
  for (let minute = 0; minute < 150; minute++) await upkeep.look(START + minute * MINUTE);
  expect(maintain.mock.calls).toEqual([0, 1, 2].map((hour) => [new Date(START + hour * HOUR)]));
});

test("a clock that was years ahead for a moment does not put off the next look", async () => {
  const { maintain } = newTable();
  const upkeep = new PartitionUpkeep([{ maintain }], log);
  for (const now of [START + 20_000 * HOUR, START, START + HOUR]) await upkeep.look(now);
  expect(maintain).toHaveBeenCalledTimes(3);
});

test("what fails is tried again in a minute, and keeps no other table from being looked after", async () => {
  const failing = newTable(new Error("locked"));
  const other = newTable();
  const upkeep = new PartitionUpkeep([failing, other], log);
  const looks = () => [failing, other].map(({ maintain }) => maintain.mock.calls.length);
  await upkeep.look(START);
  await upkeep.look(START + MINUTE - 1);
  expect(looks()).toEqual([1, 1]);
  await upkeep.look(START + MINUTE);
  expect(looks()).toEqual([2, 2]);
  await upkeep.look(START + HOUR);
  expect(looks()).toEqual([2, 2]);
});
