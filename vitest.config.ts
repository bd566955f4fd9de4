import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { ResultsReporter } from "./.ci/results-reporter.ts";
import { NODE_FLAGS } from "./server/src/node-flags.ts";

/** File for the results that .ci/test adds up. */
const RESULTS = process.env.WARREN_TEST_RESULTS;
/** Files of tests that boot microVMs. */
const MICROVM_TESTS = "**/*.vm.test.ts";
const PARTS = ["contracts", "server", "host-agent", "sdk", "cli", "dashboard", "bench"];
/** Starts what tests of the control plane share: one PostgreSQL server, one prepared embedded database. */
const DATABASES = "control-plane/src/database/testing/global-setup.ts";
/** Puts the program of the fake VMM into one file. */
const FAKE_MACHINE = "tests/support/fake-machine.ts";

/**
 * Files that take a minute and more, most of it waiting: what is begun last must be short, or one worker goes on alone for
 * long.
 */
const LONG = [
  "crash-fake",
  "faults",
  "cut-off",
  "freeze",
  "cli",
  "browser/story",
  "browser/capsule",
  "hang",
  "ends",
  "qemu.vm",
  "ensure.vm",
  "vcpus",
  "stack-power-loss",
  "power-loss",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = LONG.length;
    const place = ({ moduleId }: TestSpecification) => {
      const index = LONG.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return index < 0 ? others : index;
    };
    // A process that files share ends where one of another project follows.
    const byProject = (a: TestSpecification, b: TestSpecification) => a.project.name.localeCompare(b.project.name);
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b) || byProject(a, b));
  }
}

export default defineConfig({
  test: {
    // Limits end what hangs. No test passes or fails by the speed of the machine.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    execArgv: [...NODE_FLAGS],
    reporters: RESULTS ? ["default", new ResultsReporter(RESULTS)] : ["default"],
    // A microVM keeps one processor busy at most, and two files of tests leave each other time on two.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: PARTS.map((part) => `${part}/**/*.test.ts`),
          exclude: ["**/node_modules/**", MICROVM_TESTS],
          globalSetup: [FAKE_MACHINE],
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
          // Files share two processes: what each would load anew takes longer than many of them.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "microvm",
          include: PARTS.map((part) => `${part}/${MICROVM_TESTS}`),
          exclude: ["**/node_modules/**"],
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
          globalSetup: [FAKE_MACHINE],
          testTimeout: 300_000,
          hookTimeout: 900_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
