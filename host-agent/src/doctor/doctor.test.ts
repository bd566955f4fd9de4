import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { canRunSandboxes, examine, perform } from "./doctor.ts";
import type { Finding } from "./finding.ts";
import { describeConnectionTable } from "./kernel.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-doctor-test-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function examineAll(dataDir: string): Promise<Map<string, Finding>> {
  const findings = new Map<string, Finding>();
  for await (const finding of examine({ dataDir, imagesDir: join(dataDir, "images") }))
    findings.set(finding.check, finding);
  return findings;
}

describe("doctor", () => {
  test("finds that a machine on which the tests run can run sandboxes, and leaves nothing behind", async () => {
    const findings = await examineAll(join(directory, "not/there/yet"));
    expect([...findings.values()].filter(({ status }) => status === "fail")).toEqual([]);
    expect(findings.get("QEMU")?.found).toMatch(/^\d+\.\d+\.\d+$/);
    expect(findings.get("disk space")?.found).toContain("not/there/yet");
    expect(canRunSandboxes([...findings.values()])).toBe(true);
    expect(await readdir(directory)).toEqual([]);
  });

  test("says of every lack what follows from it", async () => {
    vi.stubEnv("PATH", directory);
    const findings = await examineAll(directory).finally(() => vi.unstubAllEnvs());
    expect(findings.get("QEMU")).toMatchObject({ status: "fail", found: "not installed" });
    expect(findings.get("QEMU")?.consequence).toContain("qemu-system");
    for (const { status, consequence } of findings.values()) {
      if (status !== "ok") expect(consequence).toBeTruthy();
    }
    expect(canRunSandboxes([...findings.values()])).toBe(false);
  });

  test("goes on when a check is at fault itself", async () => {
    const broken = { name: "broken", run: () => Promise.reject(new Error("no idea")) };
    expect(await perform(broken)).toMatchObject({
      check: "broken",
      status: "warn",
      found: expect.stringContaining("no idea"),
    });
  });
});

test.each([
  [262_144, true, "ok", undefined],
  [0, false, "ok", undefined],
  [262_144, false, "warn", "more than 48 sandboxes"],
  [32_768, false, "warn", "more than 0 sandboxes"],
])("a table of %d connections that can grow (%s) is %s", (size, canGrow, status, consequence) => {
  const finding = describeConnectionTable(size, canGrow);
  expect(finding.status).toBe(status);
  if (consequence) expect(finding.consequence).toContain(consequence);
});
