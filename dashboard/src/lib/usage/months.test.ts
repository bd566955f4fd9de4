import { expect, it } from "vitest";
import { daysOf, monthWords, readMonth, shiftMonth } from "./months.ts";

const now = new Date("2026-11-28T23:30:00Z");

it.each([
  ["2026-02", "2026-02"],
  ["2026-13", "2026-11"],
  ["2027-01", "2026-11"],
  ["0026-11", "2026-11"],
  ["nonsense", "2026-11"],
  [null, "2026-11"],
])("reads %s as %s", (value, month) => expect(readMonth(value, now)).toBe(month));

it("knows the last day of months, and asks for none that comes", () => {
  expect(daysOf("2024-02", now)).toEqual({ from: "2024-02-01", to: "2024-02-29" });
  expect(daysOf("2026-11", now)).toEqual({ from: "2026-11-01", to: "2026-11-28" });
});

it("goes over the ends of years", () => {
  expect([shiftMonth("2026-01", -1), shiftMonth("2026-12", 1)]).toEqual(["2025-12", "2027-01"]);
  expect(monthWords("2025-12")).toBe("December 2025");
});
