import { oneOf } from "#lib/url/query.ts";

/** What a chart reaches back over, as the API has it, and how often it is asked for anew. */
const RANGES = {
  "5m": { words: "5 minutes", lookBackSec: 300, bucketSec: 10, pollSec: 15 },
  "1h": { words: "hour", lookBackSec: 3600, bucketSec: 30, pollSec: 30 },
  "6h": { words: "6 hours", lookBackSec: 6 * 3600, bucketSec: 180, pollSec: 60 },
  "24h": { words: "24 hours", lookBackSec: 86_400, bucketSec: 720, pollSec: 120 },
  "30d": { words: "30 days", lookBackSec: 30 * 86_400, bucketSec: 21_600, pollSec: 300 },
} as const;
export type StatsRange = keyof typeof RANGES;

export const RANGE_NAMES = Object.keys(RANGES) as StatsRange[];

/** The range that an address asks for; without one that is known, the last hour. */
export function readRange(query: { get(name: string): string | null }): StatsRange {
  return oneOf(query.get("range"), RANGE_NAMES, "1h");
}

/** Its figures. */
export function rangeOf(range: StatsRange): (typeof RANGES)[StatsRange] {
  return RANGES[range];
}
