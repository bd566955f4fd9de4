import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect } from "vitest";
import { ensureFakeImages } from "../../images/testing/fake-images.ts";
import { createFakeSlots } from "../../network/testing/fake-slots.ts";
import { describeVmm } from "../testing/conformance.ts";
import { createFakeVmm } from "./driver.ts";

const directory = mkdtempSync(join(tmpdir(), "warren-fake-images-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Failures without a caller are failures of the test. */
const warnings: string[] = [];
afterEach(() => expect(warnings.splice(0)).toEqual([]));

describeVmm("the fake VMM", {
  create: async () => createFakeVmm({ warn: (message, cause) => warnings.push(`${message}: ${cause}`) }),
  platform: { ensureImages: () => ensureFakeImages({ directory }), createSlots: createFakeSlots },
  kernel: ({ vmlinuz }) => vmlinuz,
  memoryMb: 32,
  scripts: { count: "count && counts", countsOn: "counts", powerOff: "sleep 0.1 && poweroff &" },
});
