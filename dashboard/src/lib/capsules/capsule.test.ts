import { expect, it } from "vitest";
import { ableTo, actionsOf, type Capsule, capsuleNames, capsuleReason, countByState } from "./capsule.ts";

const capsule = (fields: Partial<Capsule>): Capsule => ({
  id: "sbaaaaaaaaaaaaaaaaaaaa",
  metadata: {},
  status: "running",
  template: "minimal",
  vcpus: 1,
  memory_mb: 512,
  timeout_sec: 0,
  on_timeout: "pause",
  auto_resume: false,
  disk_bytes: 0,
  host_tags: [],
  created_at: "2026-02-27T12:00:00Z",
  last_updated: "2026-02-27T12:00:00Z",
  ...fields,
});

it("offers what the state allows", () => {
  expect(actionsOf({ status: "running" })).toEqual(["pause", "pauseAndSnapshot", "fork", "destroy"]);
  expect(actionsOf({ status: "paused" })).toEqual(["resume", "snapshot", "destroy"]);
  expect(actionsOf({ status: "missing" })).toEqual(["destroy"]);
  expect(actionsOf({ status: "stopped" })).toEqual([]);
});

it("acts together only on those that the action is for", () => {
  const running = capsule({});
  const paused = capsule({ id: "sbbbbbbbbbbbbbbbbbbbbb", status: "paused" });
  expect(ableTo("pause", [running, paused])).toEqual([running]);
  expect(ableTo("destroy", [running, paused])).toEqual([running, paused]);
});

it("is called by its name, and several by their number", () => {
  expect(capsuleNames([capsule({ name: "build-42" })])).toBe("build-42");
  expect(capsuleNames([capsule({}), capsule({})])).toBe("2 capsules");
});

it("says why it is as it is: the reason before the error", () => {
  expect(capsuleReason(capsule({}))).toBeUndefined();
  const limited = {
    code: "usage_limit",
    message: "the team has used 0.1 GiB·h of memory in November 2026 and may use 0.09 GiB·h",
    at: "",
  } as const;
  expect(capsuleReason(capsule({ reason: limited }))).toBe("usage limit of the team reached");
  const reason = { code: "out_of_memory" as const, message: "out of memory: python3 (pid 412)", at: "" };
  expect(capsuleReason(capsule({ status: "error", error: "failed", reason }))).toBe(reason.message);
  const asked = { code: "requested" as const, message: "asked for by Ada", user_id: "usr-ada", at: "" };
  expect(capsuleReason(capsule({ status: "paused", reason: asked }), "usr-grace")).toBe("asked for by Ada");
  expect(capsuleReason(capsule({ status: "paused", reason: asked }), "usr-ada")).toBe("asked for by you");
  expect(capsuleReason(capsule({ status: "missing" }))).toBe("its host does not answer");
});

it("counts those that run and those that are paused", () => {
  const all = [capsule({}), capsule({ status: "paused" }), capsule({ status: "starting" })];
  expect(countByState(all)).toEqual({ running: 1, paused: 1 });
});
