import { expect, it } from "vitest";
import { changedLimits, limitProblem } from "./quota-form.ts";

const before = { sandboxes: 10, vcpus: 20, memory_mb: 4096, templates: 5, disk_mb: 1000 };
const typed = { sandboxes: "10", vcpus: "20", memory_mb: "4096", templates: "5", disk_mb: "1000" };

it("asks for what was changed alone, and for the default where nothing stands", () => {
  expect(changedLimits(before, typed)).toBeUndefined();
  expect(changedLimits(before, { ...typed, vcpus: " 40 ", disk_mb: "" })).toEqual({ vcpus: 40, disk_mb: null });
});

it.each(["", "0", "1000000000"])("takes %j as a limit", (text) => expect(limitProblem(text)).toBeUndefined());
it.each(["-1", "1.5", "many", "1000000001", "99999999999"])("does not take %j", (text) =>
  expect(limitProblem(text)).toContain("whole number"),
);
