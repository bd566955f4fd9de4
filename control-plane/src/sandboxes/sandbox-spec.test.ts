import { create } from "@bufbuild/protobuf";
import { SandboxSpecSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { DEFAULT_SPEC, type SandboxSpec } from "@warren/contracts/rest/sandbox-spec";
import { expect, it } from "vitest";
import { differingSettings, requestedSpec, specOf, storedSpec, toHostSpec } from "./sandbox-spec.ts";

const SPEC: SandboxSpec = {
  template: "trained",
  vcpus: 2,
  memory_mb: 1024,
  host_tags: ["gpu"],
  timeout_sec: 60,
  on_timeout: "destroy",
  auto_resume: true,
};

it("takes of a request what is asked of a sandbox, and nothing else", () => {
  expect(requestedSpec({ ...SPEC, name: "mine", env: { A: "1" } } as Partial<SandboxSpec>)).toEqual(SPEC);
  expect(requestedSpec({ vcpus: 2 })).toEqual({ ...DEFAULT_SPEC, vcpus: 2 });
});

it("reads what it stored, and gives rows from before a field was there its default", () => {
  expect(specOf({ spec: JSON.parse(storedSpec(SPEC)) })).toEqual(SPEC);
  const { auto_resume: _, ...older } = SPEC;
  expect(specOf({ spec: { version: 1, ...older } })).toEqual({ ...SPEC, auto_resume: false });
});

it("tells hosts every field but what they are to be, and of a change no more than what changes", () => {
  const told = {
    template: "trained",
    vcpus: 2,
    memoryMb: 1024,
    timeoutSec: 60,
    onTimeout: "destroy",
    autoResume: true,
  };
  expect(toHostSpec(SPEC)).toEqual(create(SandboxSpecSchema, told));
  expect(toHostSpec({ timeout_sec: 0 })).toEqual(create(SandboxSpecSchema, { timeoutSec: 0 }));
});

it("finds the settings by which a host acts and that are not known yet", () => {
  expect(differingSettings(toHostSpec(SPEC), SPEC)).toBeUndefined();
  expect(differingSettings(toHostSpec({ ...SPEC, vcpus: 1, timeout_sec: 0 }), SPEC)).toEqual({ timeout_sec: 0 });
  expect(differingSettings(toHostSpec({ vcpus: 1 }), SPEC)).toBeUndefined();
  expect(differingSettings(undefined, SPEC)).toBeUndefined();
});
