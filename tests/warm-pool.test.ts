import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HostAgentFixture } from "./support/host-agent.ts";
import { readRecords, vmmProcesses } from "./support/host-state.ts";
import { causeMemoryPressure } from "./support/memory-pressure.ts";

let host: HostAgentFixture;
beforeAll(async () => {
  host = await HostAgentFixture.start({ WARREN_WARM_POOL: "2" });
});
afterAll(() => host?.dispose());

const running = () => vmmProcesses(host.directory).length;
const create = (letter: string, template = "minimal") =>
  host.calls.createSandbox({
    sandboxId: `sbwarm${letter.repeat(16)}`,
    teamId: "team",
    spec: { template, vcpus: 1, memoryMb: 128 },
    env: { LETTER: letter },
  });
async function shell(letter: string, script: string): Promise<string> {
  const command = { cmd: "sh", args: ["-c", script], timeoutMs: 60_000 };
  const sandboxId = `sbwarm${letter.repeat(16)}`;
  const { stdout } = await host.calls.exec({ sandboxId, command, maxOutputBytes: 10_000 });
  return Buffer.from(stdout).toString().trim();
}

it("hands out each ready sandbox once, with an identity of its own, and makes others ready", async () => {
  await create("a");
  await expect.poll(running, { timeout: 120_000 }).toBe(2);
  await Promise.all(["b", "c", "d", "e"].map((letter) => create(letter)));
  const letters = ["a", "b", "c", "d", "e"];
  const facts = await Promise.all(
    letters.map((letter) => shell(letter, "hostname; cat /proc/sys/kernel/random/uuid; echo $LETTER")),
  );
  for (const line of [0, 1, 2]) expect(new Set(facts.map((text) => text.split("\n")[line])).size).toBe(letters.length);
  expect(facts.map((text) => text.split("\n")[0])).toEqual(letters.map((letter) => `sbwarm${letter.repeat(16)}`));
  await expect.poll(running, { timeout: 120_000 }).toBe(letters.length + 2);
});

/** Root of the processor controller of control groups, version 1. */
const CPU_GROUPS = "/sys/fs/cgroup/cpu";
/** Part of the processors that a process gets where they are short. */
function cpuShares(pid: number): number {
  const group = /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];
  return Number(readFileSync(`${CPU_GROUPS}${group}/cpu.shares`, "utf8"));
}

it("ready sandboxes give way to those in use", async ({ skip }) => {
  skip(!existsSync(`${CPU_GROUPS}/cpu.shares`), "this machine has no control groups of version 1 for processors");
  const sharesOf = (wanted: string) =>
    readRecords(host.directory).flatMap(({ purpose, process }) =>
      purpose === wanted && process ? [cpuShares(process.pid)] : [],
    );
  // A process is there a moment before it is in the record.
  await expect.poll(() => sharesOf("pool").length).toBe(2);
  const [used, ready] = [sharesOf("sandbox"), sharesOf("pool")];
  expect(used).toHaveLength(5);
  expect(Math.min(...used)).toBeGreaterThan(5 * Math.max(...ready));
});

it("lets go of the sandbox that stands ready when its template is replaced, and of all that was kept for it", async () => {
  const makeTemplate = () =>
    host.calls.createTemplate({
      sandboxId: `sbwarm${"a".repeat(16)}`,
      teamId: "team",
      name: "trained",
      overwrite: true,
    });
  const snapshots = () => readdirSync(join(host.directory, "snapshots"));
  await makeTemplate();
  const [former] = snapshots().filter((id) => isNamed(id, "trained"));
  await create("f", "trained");
  const ready = () =>
    readRecords(host.directory).some(({ purpose, snapshot }) => purpose === "pool" && snapshot === former);
  await expect.poll(ready, { timeout: 120_000 }).toBe(true);
  await host.calls.destroySandbox({ sandboxId: `sbwarm${"f".repeat(16)}` });
  await makeTemplate();
  await expect.poll(snapshots).not.toContain(former);
  expect(ready()).toBe(false);
  await host.calls.deleteTemplate({ teamId: "team", name: "trained" });
});

/** Whether a template of the test's team is a snapshot. */
function isNamed(snapshot: string, template: string): boolean {
  const file = join(host.directory, "templates/team", `${template}.json`);
  return (JSON.parse(readFileSync(file, "utf8")) as { snapshot: string }).snapshot === snapshot;
}

it("gives ready sandboxes up when memory runs short, and touches no other", async () => {
  const release = await causeMemoryPressure();
  try {
    await expect.poll(running, { timeout: 120_000 }).toBe(5);
  } finally {
    await release();
  }
  expect(await shell("a", "echo $LETTER")).toBe("a");
});

it("hands out first what it was told to prepare, and prepares nothing else", async () => {
  const prepared = await HostAgentFixture.start({ WARREN_WARM_POOL: "0" }, ["--prepare", "1x128"]);
  try {
    const processes = () => vmmProcesses(prepared.directory);
    // The template itself may have to boot before.
    const ready = () => readRecords(prepared.directory).find(({ purpose }) => purpose === "pool")?.process?.pid;
    await expect.poll(ready, { timeout: 120_000 }).toBeDefined();
    const first = ready();
    const wanted = { teamId: "team", spec: { template: "minimal", vcpus: 1, memoryMb: 128 } };
    await prepared.calls.createSandbox({ ...wanted, sandboxId: "sbpreparedaaaaaaaaaaaa" });
    expect(processes()).toEqual([first]);
    await prepared.calls.createSandbox({ ...wanted, sandboxId: "sbpreparedbbbbbbbbbbbb" });
    expect(processes()).toHaveLength(2);
    const command = { cmd: "hostname", args: [], timeoutMs: 60_000 };
    const { stdout } = await prepared.calls.exec({ sandboxId: "sbpreparedaaaaaaaaaaaa", command, maxOutputBytes: 100 });
    expect(Buffer.from(stdout).toString()).toBe("sbpreparedaaaaaaaaaaaa\n");
  } finally {
    await prepared.dispose();
  }
});

it("does not start with a size that is none", async () => {
  await expect(HostAgentFixture.start({}, ["--prepare", "large"])).rejects.toThrow(/--prepare must be VCPUSxMIB/);
});
