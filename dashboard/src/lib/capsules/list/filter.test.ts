import { describe, expect, it } from "vitest";
import type { Capsule } from "../capsule.ts";
import { filterCapsules, readFilter, templatesOf } from "./filter.ts";

const capsule = (id: string, fields: Partial<Capsule> = {}): Capsule =>
  ({ id, metadata: {}, status: "running", template: "minimal", ...fields }) as Capsule;
const all = [
  capsule("sb1", { name: "Build-42", metadata: { branch: "main", owner: "ann" } }),
  capsule("sb2", { status: "paused", template: "code" }),
  capsule("sb3", { status: "error", template: "code", metadata: { branch: "<b>fix</b>" } }),
];
const find = (query: string) =>
  filterCapsules(all, readFilter(new URLSearchParams(query), templatesOf(all))).map(({ id }) => id);

describe("the address says which capsules are shown", () => {
  it.each([
    ["", ["sb1", "sb2", "sb3"]],
    ["q=build", ["sb1"]],
    ["q=SB2", ["sb2"]],
    ["q=sb2", ["sb2"]],
    ["q=branch%3Dmain", ["sb1"]],
    ["q=main+ann", ["sb1"]],
    ["q=main+bob", []],
    ["q=%3Cb%3E", ["sb3"]],
    ["state=failed", ["sb3"]],
    ["state=paused&template=code", ["sb2"]],
    ["template=code", ["sb2", "sb3"]],
  ])("%s", (query, ids) => expect(find(query)).toEqual(ids));

  it("what is not known is as if it were not there", () => {
    expect(find("state=constructor&template=none-such&range=9")).toEqual(["sb1", "sb2", "sb3"]);
  });
});
