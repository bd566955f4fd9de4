import { defineConfig } from "vitest/config";
import { NODE_FLAGS } from "./server/src/node-flags.ts";

/** Files of tests that boot microVMs: on a small machine two at a time starve each other. */
const MICROVM_TESTS = "**/*.vm.test.ts";
const PARTS = ["contracts", "server", "host-agent", "sdk", "cli", "bench"];
/** Starts what tests of the control plane share: one PostgreSQL server, one prepared embedded database. */
const DATABASES = "control-plane/src/database/testing/global-setup.ts";

export default defineConfig({
  test: {
    // Limits end what hangs. No test passes or fails by the speed of the machine.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    execArgv: [...NODE_FLAGS],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: PARTS.map((part) => `${part}/**/*.test.ts`),
          exclude: ["**/node_modules/**", MICROVM_TESTS],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "control-plane",
          include: ["control-plane/**/*.test.ts"],
          exclude: ["**/node_modules/**"],
          globalSetup: [DATABASES],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "microvm",
          include: PARTS.map((part) => `${part}/${MICROVM_TESTS}`),
          exclude: ["**/node_modules/**"],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 900_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "system",
          include: ["tests/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 900_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
