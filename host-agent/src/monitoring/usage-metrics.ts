import type { ServerMetrics } from "@warren/server/server-metrics";
import type { SandboxStatus } from "../sandboxes/record/lifecycle.ts";
import type { HostUsage } from "../sandboxes/usage.ts";

/** Bytes in a MiB. */
const MIB = 1024 * 1024;
/** Statuses that a sandbox of a host can have. */
const STATUSES: SandboxStatus[] = ["starting", "running", "pausing", "paused", "resuming", "stopping", "stopped"];

/** Measures what the sandboxes of a host take of what they may, and what became of what was asked of it. */
export function measureUsage(metrics: ServerMetrics, usage: () => Promise<HostUsage>): void {
  const sandboxes = metrics.gauge({ name: "sandboxes", help: "Sandboxes of callers, by status", labels: ["status"] });
  const gauge = (name: string, help: string) => metrics.gauge({ name, help });
  const ready = gauge("warm_pool_sandboxes", "Sandboxes that stand ready for whoever asks");
  const microvms = gauge("microvms", "Sandboxes with a microVM, those that stand ready among them");
  const mostMicrovms = gauge("microvms_limit", "Sandboxes that may have a microVM at the same time");
  const memory = gauge("memory_promised_bytes", "Guest memory that is promised");
  const mostMemory = gauge("memory_limit_bytes", "Guest memory that may be promised");
  const disk = gauge("disk_left_bytes", "Disk that sandboxes may still take, less than 0 once the reserve is used");
  const slotsUsed = gauge("network_slots_used", "Network slots of microVMs");
  const slotsReady = gauge("network_slots_ready", "Network slots that are prepared for others");
  const uses = metrics.counter({
    name: "warm_pool_uses_total",
    help: "Sandboxes that were asked for, by whether one stood ready: hit or miss",
    labels: ["result"],
  });
  const guestCalls = metrics.counter({
    name: "guest_calls_total",
    help: "Calls into guests, by whether the guest answered",
    labels: ["answered"],
  });

  metrics.beforeReading(async () => {
    const now = await usage();
    for (const status of STATUSES) sandboxes.set({ status }, 0);
    for (const status of now.sandboxes) sandboxes.inc({ status });
    ready.set(now.ready);
    microvms.set(now.microvms.taken);
    mostMicrovms.set(now.microvms.limit);
    memory.set(now.memoryMb.taken * MIB);
    mostMemory.set(now.memoryMb.limit * MIB);
    disk.set(now.diskLeftBytes);
    slotsUsed.set(now.slots.used);
    slotsReady.set(now.slots.ready);
    uses.reset();
    uses.inc({ result: "hit" }, now.warmPool.hits);
    uses.inc({ result: "miss" }, now.warmPool.misses);
    guestCalls.reset();
    guestCalls.inc({ answered: "true" }, now.guestCalls.answered);
    guestCalls.inc({ answered: "false" }, now.guestCalls.unanswered);
  });
}
