import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useFakeHost } from "../../testing/fake-host.ts";
import { MEMORY_IN_USE } from "../../vmm/fake/guest-agent.ts";
import type { Usage } from "./account.ts";
import type { LedgerCursor, MetricPoint, UsedDay } from "./ledger.ts";

const host = useFakeHost({ WARREN_METRICS_INTERVAL_SEC: "0.1", WARREN_WARM_POOL: "1" });

const MIB = 1024 * 1024;
const BURN = "head -c 30000000 /dev/urandom | tee /dev/shm/a | cat >/dev/null";

/** Collects as a control plane does, and keeps all of one sandbox. */
class Collector {
  readonly points: MetricPoint[] = [];
  cursor: LedgerCursor | undefined;
  /** What it has used by days. */
  readonly days = new Map<string, UsedDay>();
  readonly #id: string;

  constructor(id: string) {
    this.#id = id;
  }

  collect(): this {
    const { points, usage, cursor } = host().sandboxes.collectMetrics(this.cursor);
    this.points.push(...points.filter(({ sandboxId }) => sandboxId === this.#id));
    for (const used of usage.filter(({ sandboxId }) => sandboxId === this.#id)) this.days.set(used.day, used);
    this.cursor = cursor;
    return this;
  }

  /** Collects until a condition holds. */
  async until(condition: () => boolean): Promise<void> {
    await expect.poll(() => this.collect() && condition(), { timeout: 30_000, interval: 20 }).toBe(true);
  }

  /** Collects until the host has forgotten the sandbox, since all of it is collected. */
  untilForgotten(): Promise<void> {
    // What changes in the round under way is in no answer yet, and in what is written after it.
    const written = join(host().directory, "metrics", "accounts.json");
    return this.until(() => {
      const { points, usage } = host().sandboxes.collectMetrics(undefined);
      const isGiven = [...points, ...usage].some(({ sandboxId }) => sandboxId === this.#id);
      return !isGiven && !readFileSync(written, "utf8").includes(this.#id);
    });
  }

  get used(): Usage {
    const total: Usage = { cpuUs: 0, memoryMbMs: 0, diskMbMs: 0, egressBytes: 0 };
    for (const usage of this.days.values())
      for (const name of Object.keys(total) as (keyof Usage)[]) total[name] += usage[name];
    return total;
  }

  get cpuOfPoints(): number {
    return this.points.reduce((sum, { cpuUs }) => sum + cpuUs, 0);
  }
}

test("what a sandbox does is seen in its series, and adds up to what it has used", async () => {
  const id = await host().create();
  const collector = new Collector(id);
  await collector.until(() => collector.points.some(({ memoryBytes }) => memoryBytes === MEMORY_IN_USE));
  const before = collector.used.cpuUs;
  const diskBefore = collector.points.at(-1)!.diskBytes;
  await host().run(id, `${BURN}; cp /dev/shm/a kept`);
  host().traffic.set(host().sandboxes.get(id).record.slot!, { receivedBytes: 1000, sentBytes: 500 });
  await collector.until(() => collector.used.egressBytes === 500);
  expect(collector.used.cpuUs - before).toBeGreaterThan(10_000);
  expect(collector.points.at(-1)!.diskBytes - diskBefore).toBeGreaterThan(20 * MIB);
  expect(collector.points.at(-1)!.vmmMemoryBytes).toBeGreaterThan(MIB);
  await host().sandboxes.destroy(id);
  await collector.untilForgotten();
  const span = collector.points.reduce((sum, { spanMs }) => sum + spanMs, 0);
  expect(Math.abs(collector.cpuOfPoints - collector.used.cpuUs)).toBeLessThan(1);
  expect(span).toBeGreaterThanOrEqual(collector.used.memoryMbMs / 128 - 1);
  expect(collector.points.reduce((sum, { rxBytes }) => sum + rxBytes, 0)).toBe(1000);
});

test("a pause ends the use of processor and memory and not that of disk, and a resume goes on from there", async () => {
  const id = await host().create();
  const collector = new Collector(id);
  await host().run(id, `${BURN}; cp /dev/shm/a kept`);
  await host().sandboxes.pause(id);
  await collector.until(() => collector.points.at(-1)?.vmmMemoryBytes === 0);
  const paused = collector.used;
  const points = collector.points.length;
  await collector.until(() => collector.used.diskMbMs > paused.diskMbMs);
  expect(collector.used).toMatchObject({ cpuUs: paused.cpuUs, memoryMbMs: paused.memoryMbMs });
  // Nothing happens to it: a point now and then says so.
  expect(collector.points.length).toBe(points);
  await host().sandboxes.resume(id);
  await collector.until(() => collector.used.memoryMbMs > paused.memoryMbMs);
  expect(collector.used.cpuUs).toBeGreaterThanOrEqual(paused.cpuUs);
  expect(collector.points.slice(points)[0]).toMatchObject({ sandboxId: id });
});

test("a resume begins where it began: the pause before it is told as one, and not as time that the sandbox ran", async () => {
  const id = await host().create();
  const collector = new Collector(id);
  await host().sandboxes.pause(id);
  await collector.until(() => collector.points.at(-1)?.vmmMemoryBytes === 0);
  const told = collector.points.at(-1)!.at;
  // Longer than a round, and shorter than what is told of a pause by itself.
  await collector.until(() => Date.now() > told + 300);
  const resumedAt = Date.now();
  await host().sandboxes.resume(id);
  await collector.until(() => collector.points.at(-1)!.vmmMemoryBytes > 0);
  const index = collector.points.findIndex(({ at, vmmMemoryBytes }) => at > told && vmmMemoryBytes > 0);
  const [paused, running] = collector.points.slice(index - 1, index + 1);
  // The start of a process is known to a few clock ticks.
  expect(running!.at - running!.spanMs).toBeGreaterThanOrEqual(resumedAt - 100);
  expect(paused).toMatchObject({ vmmMemoryBytes: 0, memoryBytes: 0, cpuUs: 0, rxBytes: 0, txBytes: 0 });
  expect(paused!.diskBytes).toBeGreaterThan(0);
  expect(paused!.at - paused!.spanMs).toBe(told);
});

test("nothing is lost or counted twice when the host agent starts again, while the microVM runs on", async () => {
  const id = await host().create();
  const collector = new Collector(id);
  await collector.until(() => collector.points.length > 0);
  await host().run(id, BURN);
  await host().sandboxes.release();
  const left = await releasedFor(300);
  await host().reopen();
  await host().run(id, BURN);
  await collector.until(() => collector.points.some(({ spanMs }) => spanMs >= left));
  await host().sandboxes.destroy(id);
  await collector.untilForgotten();
  expect(Math.abs(collector.cpuOfPoints - collector.used.cpuUs)).toBeLessThan(1);
  const times = collector.points.map(({ at }) => at);
  expect(times).toEqual([...new Set(times)].sort((one, other) => one - other));
  const span = collector.points.reduce((sum, { spanMs }) => sum + spanMs, 0);
  expect(span).toBeGreaterThanOrEqual(collector.used.memoryMbMs / 128 - 1);
  expect(collector.used.memoryMbMs / 128).toBeGreaterThan(left);
  expect(collector.used.cpuUs).toBeGreaterThan(20_000);
});

test("what no control plane has taken is there after a restart", async () => {
  const id = await host().create();
  const path = join(host().directory, "metrics", "points.jsonl");
  await expect.poll(() => readFileSync(path, "utf8")).toContain(id);
  await host().sandboxes.release();
  // The last line was cut off by a loss of power.
  writeFileSync(path, '{"sandboxId":"', { flag: "a" });
  await host().reopen();
  const collector = new Collector(id);
  await collector.until(() => collector.points.length > 1);
  await host().sandboxes.destroy(id);
  await collector.untilForgotten();
  expect(Math.abs(collector.cpuOfPoints - collector.used.cpuUs)).toBeLessThan(1);
});

test("a copy has used nothing when it begins, and a microVM that stood ready counts for nobody before", async () => {
  const id = await host().create();
  await host().run(id, BURN);
  const collector = new Collector(id);
  await collector.until(() => collector.used.cpuUs > 10_000);
  const fork = host().newId();
  await host().sandboxes.fork(id, [fork]);
  const copy = new Collector(fork);
  await copy.until(() => copy.points.length > 1);
  expect(copy.used.memoryMbMs).toBeLessThan(collector.used.memoryMbMs + collector.collect().used.memoryMbMs);
  expect(Math.abs(copy.cpuOfPoints - copy.used.cpuUs)).toBeLessThan(1);
  const all = host().sandboxes.collectMetrics(undefined);
  const known = new Set(
    host()
      .sandboxes.list()
      .map((sandbox) => sandbox.id),
  );
  for (const { sandboxId } of all.points) expect(known.has(sandboxId) || sandboxId === id).toBe(true);
});

test("counts anew, and nothing of before, and keeps its sandboxes, where what was counted cannot be read", async () => {
  const id = await host().create();
  const collector = new Collector(id);
  await host().run(id, `${BURN}; ${BURN}; ${BURN}`);
  await collector.until(() => collector.used.cpuUs > 60_000);
  const { cursor, used } = collector;
  await host().sandboxes.release();
  writeFileSync(join(host().directory, "metrics", "accounts.json"), "{");
  await host().reopen();
  const after = new Collector(id);
  await after.until(() => after.cursor?.ledger !== cursor?.ledger && after.used.memoryMbMs > 0);
  expect(after.used.cpuUs).toBeLessThan(used.cpuUs / 2);
  expect(host().sandboxes.get(id).status).toBe("running");
});

/** Milliseconds that have passed, at least so many. */
async function releasedFor(milliseconds: number): Promise<number> {
  const started = Date.now();
  await expect.poll(() => Date.now() - started, { interval: 20 }).toBeGreaterThan(milliseconds);
  return milliseconds;
}
