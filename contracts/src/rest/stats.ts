import { type Static, Type } from "typebox";

/** Seconds between two samples of what teams have in use. */
export const STATS_SAMPLE_SEC = 10;

/** What a chart of a team's use may reach back over: seconds from now, and those of one bucket of its series. */
export const STATS_RANGES = {
  "5m": { lookBackSec: 300, bucketSec: 10 },
  "1h": { lookBackSec: 3600, bucketSec: 30 },
  "6h": { lookBackSec: 6 * 3600, bucketSec: 180 },
  "24h": { lookBackSec: 24 * 3600, bucketSec: 720 },
  "30d": { lookBackSec: 30 * 86_400, bucketSec: 21_600 },
} as const;
export type StatsRange = keyof typeof STATS_RANGES;

/** Which part of the past is asked for. */
export const SandboxStatsQuery = Type.Object(
  {
    range: Type.Optional(
      Type.Enum(Object.keys(STATS_RANGES) as StatsRange[], {
        default: "1h",
        description: Object.entries(STATS_RANGES)
          .map(([range, { bucketSec }]) => `\`${range}\`: buckets of ${bucketSec} s`)
          .join("; "),
      }),
    ),
  },
  { additionalProperties: false },
);

const series = (description: string) => Type.Array(Type.Integer(), { description });

const RESERVED = "of sandboxes that run or start, and half of those that are paused, rounded up";

/** What a team's sandboxes take, now and in the past. */
export const SandboxStats = Type.Object(
  {
    range: Type.Enum(Object.keys(STATS_RANGES) as StatsRange[]),
    current: Type.Object(
      {
        running_count: Type.Integer({ description: "Sandboxes that run or start" }),
        vcpus_reserved: Type.Integer({ description: `Virtual CPUs ${RESERVED}` }),
        memory_mb_reserved: Type.Integer({ description: `MiB of memory ${RESERVED}` }),
      },
      { description: "At this moment" },
    ),
    peaks: Type.Object(
      { running_count: Type.Integer(), vcpus: Type.Integer(), memory_mb: Type.Integer() },
      { description: "Greatest values that were sampled in the last 30 days; each at a time of its own" },
    ),
    series: Type.Object(
      {
        labels: Type.Array(Type.String({ format: "date-time" }), {
          description: "Begin of each bucket. Those of which nothing is known, since no server ran, are left out",
        }),
        running: series("Most sandboxes that ran or started in each bucket"),
        vcpus: series("Most virtual CPUs that were reserved"),
        memory_mb: series("Most MiB of memory that were reserved"),
      },
      { description: "Greatest values of each bucket, ascending; four lists of one length" },
    ),
  },
  { title: "SandboxStats" },
);
export type SandboxStats = Static<typeof SandboxStats>;
