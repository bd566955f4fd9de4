import type { ServerMetrics } from "@warren/server/server-metrics";
import type { Logger } from "pino";
import { diskUsage } from "../linux/disk-usage.ts";

/** Milliseconds after which the disk is looked at anew: it has thousands of files. */
const KEPT_MS = 60_000;

/** Where a host agent keeps what it has. */
export interface HostDirectories {
  /** Sandboxes, snapshots and templates. */
  data: string;
  /** Kernels and root file systems; may be below `data`, where it is not counted. */
  images: string;
}

/** Measures what the files of a host take, at most once a minute. */
export function measureDisk(metrics: ServerMetrics, { data, images }: HostDirectories, log: Logger): void {
  const used = metrics.gauge({
    name: "disk_used_bytes",
    help: "Disk that files take, as of the last minute: data (sandboxes, snapshots and templates) or images",
    labels: ["of"],
  });
  let lookedAt = Number.NEGATIVE_INFINITY;
  metrics.beforeReading(async () => {
    if (performance.now() - lookedAt < KEPT_MS) return;
    try {
      used.set({ of: "data" }, await diskUsage(data, [images]));
      used.set({ of: "images" }, await diskUsage(images));
      lookedAt = performance.now();
    } catch (error) {
      log.warn({ err: error }, "what the files of the host take could not be measured");
      used.reset();
    }
  });
}
