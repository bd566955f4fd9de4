import { type Static, Type } from "typebox";
import { LIMITS } from "../limits.ts";
import { STATS_RANGES, type StatsRange } from "./stats.ts";

/** Which part of the past is asked for. */
const metricsQuery = (fallback: StatsRange) =>
  Type.Object(
    {
      range: Type.Optional(
        Type.Enum(Object.keys(STATS_RANGES) as StatsRange[], {
          default: fallback,
          description: Object.entries(STATS_RANGES)
            .map(([range, { bucketSec }]) => `\`${range}\`: buckets of ${bucketSec} s`)
            .join("; "),
        }),
      ),
    },
    { additionalProperties: false },
  );

/** Query of the series of one sandbox. */
export const SandboxMetricsQuery = metricsQuery("1h");

/** Query of the series of all sandboxes of a team. */
export const TeamMetricsQuery = metricsQuery("5m");

const numbers = (description: string) => Type.Array(Type.Number(), { description });

/** What a sandbox used, bucket by bucket. */
export const MetricSeries = Type.Object(
  {
    labels: Type.Array(Type.String({ format: "date-time" }), {
      description: "Begin of each bucket, ascending. Those in which nothing was measured are left out",
    }),
    cpu_percent: numbers("Processor time of its microVM; 100 = one processor all the time"),
    memory_mb: Type.Array(Type.Union([Type.Number(), Type.Null()]), {
      description: "MiB of memory in use in the guest, as the agent in it says; null where it said nothing",
    }),
    vmm_memory_mb: numbers("MiB of the host's memory that its microVM had, its guest's among them"),
    disk_bytes: numbers("Bytes on the host's disk that are its own, beyond those of its template"),
    rx_bytes_per_s: numbers("Bytes that its network card received in a second, headers included"),
    tx_bytes_per_s: numbers("Bytes that its network card sent in a second, headers included"),
  },
  { description: "Means over each bucket; seven lists of one length", title: "MetricSeries" },
);
export type MetricSeries = Static<typeof MetricSeries>;

const range = Type.Enum(Object.keys(STATS_RANGES) as StatsRange[]);

/** What one sandbox used. */
export const SandboxMetrics = Type.Object({ range, series: MetricSeries }, { title: "SandboxMetrics" });
export type SandboxMetrics = Static<typeof SandboxMetrics>;

/** What all sandboxes of a team used. */
export const TeamMetrics = Type.Object(
  {
    range,
    sandboxes: Type.Array(Type.Object({ sandbox_id: Type.String(), series: MetricSeries }), {
      description: `Those that are not over and of which something was measured, the newest ${LIMITS.measuredSandboxes}`,
    }),
  },
  { title: "TeamMetrics" },
);
export type TeamMetrics = Static<typeof TeamMetrics>;
