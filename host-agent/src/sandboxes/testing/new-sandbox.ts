import type { NewSandbox } from "../record/new-sandbox.ts";
import { DEFAULT_SPEC } from "../record/spec.ts";

/** What a test asks for that wants a small sandbox of the built-in template. */
export function newSandbox(id: string): NewSandbox {
  return {
    id,
    teamId: "team",
    spec: { ...DEFAULT_SPEC, memoryMb: 128 },
    env: {},
  };
}
