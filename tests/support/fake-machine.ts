import { join } from "node:path";
import { bundlePrograms, ROOT } from "@warren/cli/bundle-programs";

const DIRECTORY = join(ROOT, ".warren/bundle-fake-machine");

/** Has all fake microVMs of a run start from one file: tests start hundreds of them. */
export default async function setup(): Promise<void> {
  await bundlePrograms({ "machine-process.js": "host-agent/src/vmm/fake/machine-process.ts" }, DIRECTORY);
  process.env.WARREN_FAKE_MACHINE = join(DIRECTORY, "machine-process.js");
}
