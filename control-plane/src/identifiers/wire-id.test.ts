import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromWireId, toWireId } from "./wire-id.ts";

describe("wire ids", () => {
  it("carry any UUID there and back", () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        const id = toWireId("team", uuid);
        expect(id).toMatch(/^team-[0-9a-z]{25}$/);
        expect(fromWireId("team", id)).toBe(uuid);
      }),
    );
  });

  it("keep the extremes", () => {
    for (const uuid of ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]) {
      expect(fromWireId("key", toWireId("key", uuid))).toBe(uuid);
    }
  });

  it("of no UUID are of nothing", () => {
    expect(() => fromWireId("team", "team-zzzzzzzzzzzzzzzzzzzzzzzzz")).toThrow("there is no team-zzz");
  });

  it.each(["", "team-", `key-${"0".repeat(25)}`, `team-${"0".repeat(24)}A`])("refuse %j", (id) => {
    expect(() => fromWireId("team", id)).toThrow(/the id must be/);
  });
});
