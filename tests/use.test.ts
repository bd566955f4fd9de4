import { processorTime } from "@warren/host-agent/linux/process-identity";
import type { Sandbox, UsageAmounts } from "@warren/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readRecords } from "./support/host-state.ts";
import { runScript } from "./support/requests.ts";
import { type Stack, startStack } from "./support/stack.ts";

/** What a sandbox uses, from the counters of a real microVM to the API. */

const MEMORY_MB = 256;
const FILE_BYTES = 8 * 1024 * 1024;
/** Patience with a machine that has much to do. */
const TOLD = { timeout: 120_000 };

let stack: Stack;
beforeAll(async () => {
  const environment = { WARREN_METRICS_INTERVAL_SEC: "1", WARREN_WARM_POOL: "0" };
  stack = await startStack(environment, environment);
});
afterAll(() => stack?.dispose());

/** Since yesterday: a month may begin during a test. */
async function used(): Promise<UsageAmounts> {
  const from = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
  return (await stack.warren.usage.get({ from })).total;
}

/** Seconds of processor time that the microVM of a sandbox has used. */
function processorSeconds({ id }: Sandbox): number {
  const pid = readRecords(stack.directory).find((record) => record.id === id)?.process?.pid;
  return processorTime(pid!)! / 1000;
}

it("tells what a microVM used, once each, across a pause and a restart of the host agent", async () => {
  const begin = performance.now();
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  await runScript(
    sandbox,
    `timeout 3 sh -c 'while :; do :; done'; head -c ${FILE_BYTES} /dev/urandom > /root/noise; sync`,
  );
  await sandbox.readFile("/root/noise", { user: "root" });
  const first = processorSeconds(sandbox);
  await sandbox.pause();
  const pausedAt = performance.now();
  await expect.poll(async () => (await used()).egress_bytes, TOLD).toBeGreaterThan(FILE_BYTES);
  const beforePause = await used();

  await stack.hostAgent.stop();
  await stack.startHostAgent();
  const resumingAt = performance.now();
  await sandbox.resume();
  await runScript(sandbox, "timeout 2 sh -c 'while :; do :; done'");
  await sandbox.readFile("/root/noise", { user: "root" });
  const second = processorSeconds(sandbox);
  await expect.poll(async () => (await used()).egress_bytes, TOLD).toBeGreaterThan(2 * FILE_BYTES);
  const inAll = await used();
  const end = performance.now();

  for (const name of ["cpu_minutes", "memory_mb_minutes", "egress_bytes"] as const) {
    expect(inAll[name], name).toBeGreaterThan(beforePause[name]);
  }
  // What the microVM used after the test had looked is told as well, and nothing twice.
  const seconds = inAll.cpu_minutes * 60;
  expect(beforePause.cpu_minutes * 60).toBeGreaterThan(first - 0.1);
  expect(seconds).toBeGreaterThan(first + 0.1);
  expect(seconds).toBeLessThan(1.5 * (first + second) + 1);
  expect(inAll.egress_bytes).toBeLessThan(3 * FILE_BYTES);
  // Memory counts while there is a microVM.
  const minutes = (end - begin - (resumingAt - pausedAt)) / 60_000;
  expect(inAll.memory_mb_minutes).toBeLessThan(MEMORY_MB * minutes);

  const { labels, cpu_percent, disk_bytes, tx_bytes_per_s } = await sandbox.metrics("5m");
  expect(labels).toEqual([...new Set(labels)].sort());
  expect(Math.max(...cpu_percent)).toBeLessThan(200);
  expect(Math.max(...disk_bytes)).toBeGreaterThan(FILE_BYTES);
  expect(Math.max(...tx_bytes_per_s)).toBeGreaterThan(FILE_BYTES / 60);
});
