import { join } from "node:path";
import { bundlePrograms, ROOT } from "./bundle-programs.ts";

/** Programs by the names of their files in the directory. */
const PROGRAMS = {
  "cli.js": "cli/src/main.ts",
  "control-plane.js": "control-plane/src/main.ts",
  "host-agent.js": "host-agent/src/main.ts",
};

await bundlePrograms(PROGRAMS, join(ROOT, ".warren/bundle"));
