import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SandboxSpecSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { expect, it } from "vitest";
import { DEFAULT_SPEC } from "../sandboxes/record/spec.ts";
import { newSpec, settingsOf, specMessage } from "./spec.ts";

type Message = MessageInitShape<typeof SandboxSpecSchema>;
const message = (fields: Message) => create(SandboxSpecSchema, fields);

it("gives a new sandbox what was asked for, and defaults for the rest", () => {
  const asked = { template: "trained", vcpus: 2, timeoutSec: 60, onTimeout: "destroy" };
  expect(newSpec(message(asked))).toEqual({ ...DEFAULT_SPEC, ...asked });
  expect(newSpec(undefined)).toEqual(DEFAULT_SPEC);
});

it.each<[string, Message]>([
  ["vcpus must be from 1 to 8, not 9", { vcpus: 9 }],
  ["memory_mb must be from 128 to 8192, not 0", { memoryMb: 0 }],
  ["timeout_sec must be from 0 to 2592000, not 2592001", { timeoutSec: 2_592_001 }],
  ['on_timeout must be pause or destroy, not "sleep"', { onTimeout: "sleep" }],
])("refuses what cannot be: %s", (words, fields) => {
  const refused = expect.objectContaining({ code: "invalid_request", message: words });
  expect(() => newSpec(message(fields))).toThrow(refused);
  expect(() => settingsOf(message(fields))).toThrow();
});

it("takes the changes of a sandbox that lives, and no more than those that were given", () => {
  expect(settingsOf(message({ timeoutSec: 0, autoResume: true }))).toEqual({ timeoutSec: 0, autoResume: true });
  expect(() => settingsOf(message({ vcpus: 2 }))).toThrow("a sandbox keeps its vcpus");
});

it("answers with the fields of a spec", () => {
  const { version: _, ...fields } = DEFAULT_SPEC;
  expect(message(specMessage(DEFAULT_SPEC))).toMatchObject(fields);
});
