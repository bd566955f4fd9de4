/** Milliseconds of a day. */
const DAY_MS = 86_400_000;

/**
 * Widths of the buckets that are kept, in seconds, and for how long: each range of charts is read from those of the greatest
 * width that its own buckets are a multiple of.
 */
export const WIDTHS = [
  { widthSec: 10, name: "10s", keptDays: 0.25, partitionDays: 0.25 },
  { widthSec: 60, name: "1m", keptDays: 2, partitionDays: 1 },
  { widthSec: 720, name: "12m", keptDays: 7, partitionDays: 1 },
  { widthSec: 21_600, name: "6h", keptDays: 60, partitionDays: 10 },
] as const;

/**
 * Buckets of one width that one span is spread over at most: of a longer one, such as that in which no host agent ran, it is
 * not known when what was used.
 */
const SPREAD = 60;
/** Buckets that are made of one answer of a host at most. */
const MOST_BUCKETS = 500_000;

/** Milliseconds that the clock of a host may be ahead: what is of later is no measurement of anything. */
const AHEAD_MS = 300_000;

/** What a sandbox used over a span of time. */
export interface MeasuredSpan {
  sandboxId: string;
  /** End of the span, milliseconds since the epoch. */
  at: number;
  spanMs: number;
  cpuUs: number;
  rxBytes: number;
  txBytes: number;
  memoryBytes: number | undefined;
  vmmMemoryBytes: number;
  diskBytes: number;
}

/** What a sandbox used in the measured part of a bucket of time. */
export interface Bucket extends Omit<MeasuredSpan, "at"> {
  widthSec: number;
  /** Begin of the bucket, milliseconds since the epoch. */
  begin: number;
}

/** Spreads spans over the buckets of all widths, as far as those are still kept at `now`; each bucket comes once. */
export function bucketsOf(spans: readonly MeasuredSpan[], now: number): Bucket[] {
  const buckets = new Map<string, Bucket>();
  for (const span of spans) {
    if (span.at > now + AHEAD_MS || buckets.size > MOST_BUCKETS) continue;
    for (const { widthSec, keptDays } of WIDTHS) {
      const width = widthSec * 1000;
      const first = Math.max(span.at - span.spanMs, span.at - SPREAD * width, now - keptDays * DAY_MS);
      for (const [begin, ms] of partsOf(first, span.at, width)) {
        const key = `${span.sandboxId} ${widthSec} ${begin}`;
        const share = ms / span.spanMs;
        const part = {
          ...span,
          spanMs: ms,
          cpuUs: span.cpuUs * share,
          rxBytes: span.rxBytes * share,
          txBytes: span.txBytes * share,
        };
        const known = buckets.get(key);
        buckets.set(key, known ? merged(known, part) : { ...part, widthSec, begin });
      }
    }
  }
  return [...buckets.values()];
}

/** Begins of the buckets that a span of time lies in, and its milliseconds in each. */
function partsOf(from: number, to: number, width: number): [begin: number, ms: number][] {
  const parts: [number, number][] = [];
  for (let begin = Math.floor(from / width) * width; begin < to; begin += width) {
    const ms = Math.min(to, begin + width) - Math.max(from, begin);
    if (ms > 0) parts.push([begin, ms]);
  }
  return parts;
}

function merged(one: Bucket, other: MeasuredSpan): Bucket {
  const spanMs = one.spanMs + other.spanMs;
  const mean = (first: number, second: number) => (first * one.spanMs + second * other.spanMs) / spanMs;
  const memoryBytes =
    one.memoryBytes === undefined || other.memoryBytes === undefined
      ? (one.memoryBytes ?? other.memoryBytes)
      : mean(one.memoryBytes, other.memoryBytes);
  return {
    ...one,
    spanMs,
    cpuUs: one.cpuUs + other.cpuUs,
    rxBytes: one.rxBytes + other.rxBytes,
    txBytes: one.txBytes + other.txBytes,
    memoryBytes,
    vmmMemoryBytes: mean(one.vmmMemoryBytes, other.vmmMemoryBytes),
    diskBytes: mean(one.diskBytes, other.diskBytes),
  };
}
