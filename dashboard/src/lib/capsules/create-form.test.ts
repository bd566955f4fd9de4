import { describe, expect, it } from "vitest";
import { EMPTY_FIELDS, readCreateForm, readMetadata, WHEN_IDLE } from "./create-form.ts";

describe("a capsule is asked for", () => {
  it("as it stands in the form", () => {
    const fields = { ...EMPTY_FIELDS, name: " build-42 ", vcpus: "2", memoryMb: "1024", metadata: "branch=main" };
    expect(readCreateForm(fields, {})).toEqual({
      body: {
        template: "minimal",
        name: "build-42",
        vcpus: 2,
        memory_mb: 1024,
        timeout_sec: 0,
        on_timeout: "pause",
        metadata: { branch: "main" },
      },
      problems: {},
    });
  });

  it.each([
    ["run", { timeout_sec: 0, on_timeout: "pause" }],
    ["pause 900", { timeout_sec: 900, on_timeout: "pause" }],
    ["destroy 3600", { timeout_sec: 3600, on_timeout: "destroy" }],
  ])("with what becomes of it when it is idle: %s", (whenIdle, settings) => {
    expect(WHEN_IDLE.map(({ value }) => value)).toContain(whenIdle);
    expect(readCreateForm({ ...EMPTY_FIELDS, whenIdle }, {}).body).toMatchObject(settings);
  });

  it("without the size that its template fixes", () => {
    const { body, problems } = readCreateForm({ ...EMPTY_FIELDS, vcpus: "x" }, { vcpus: 2, memory_mb: 384 });
    expect(body).not.toHaveProperty("vcpus");
    expect(body).not.toHaveProperty("memory_mb");
    expect(problems).toEqual({});
  });

  it.each([
    ["name", { name: "-x" }],
    ["name", { name: "a b" }],
    ["vcpus", { vcpus: "9" }],
    ["vcpus", { vcpus: "1.5" }],
    ["vcpus", { vcpus: "" }],
    ["memoryMb", { memoryMb: "127" }],
    ["memoryMb", { memoryMb: "1e3" }],
    ["metadata", { metadata: "no sign" }],
  ] as const)("not with a wrong %s: %o", (field, wrong) => {
    expect(Object.keys(readCreateForm({ ...EMPTY_FIELDS, ...wrong }, {}).problems)).toEqual([field]);
  });
});

describe("metadata", () => {
  it("is a line per entry; a value may hold anything", () => {
    expect(readMetadata("a=1\n\n b = x=<b>y</b> \n")).toEqual({ a: "1", b: "x=<b>y</b>" });
    expect(readMetadata(" \n")).toBeUndefined();
    expect(readMetadata("a=")).toEqual({ a: "" });
    expect(readMetadata("__proto__=1")).toContain("line 1");
  });

  it("says which line is wrong", () => {
    expect(readMetadata("a=1\nb")).toBe("Line 2 has no =.");
    expect(readMetadata("a=1\na=2")).toBe("The key a is there twice.");
    expect(readMetadata("=1")).toContain("line 1");
  });
});
