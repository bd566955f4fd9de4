import type { NewSandbox } from "../new-sandbox.ts";

/** What a test asks for that wants a small sandbox of the built-in template. */
export function newSandbox(id: string): NewSandbox {
  return {
    id,
    teamId: "team",
    template: "minimal",
    vcpus: 1,
    memoryMb: 128,
    timeoutSec: 0,
    onTimeout: "pause",
    autoResume: false,
    env: {},
  };
}
