const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
/** Seconds between two marks that people read easily. */
const STEPS = [
  10,
  30,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  5 * DAY,
  7 * DAY,
];

/** Times to mark on an axis, in milliseconds: `most` at most, at round times of the reader's zone. */
export function timeMarks(fromMs: number, toMs: number, most: number): { marks: number[]; stepSec: number } {
  const spanSec = (toMs - fromMs) / 1000;
  const stepSec = STEPS.find((step) => spanSec / step <= most) ?? STEPS.at(-1)!;
  const stepMs = stepSec * 1000;
  const offsetMs = new Date(toMs).getTimezoneOffset() * MINUTE * 1000;
  const marks: number[] = [];
  for (let mark = Math.ceil((fromMs - offsetMs) / stepMs) * stepMs + offsetMs; mark <= toMs; mark += stepMs)
    marks.push(mark);
  return { marks, stepSec };
}

/** What is written at a mark: the day, or the time, with seconds where marks are that close. */
export function markLabel(timeMs: number, stepSec: number): string {
  const time = new Date(timeMs);
  if (stepSec >= DAY) return time.toLocaleDateString(undefined, { month: "short", day: "numeric" });
  const seconds = stepSec < MINUTE ? ({ second: "2-digit" } as const) : {};
  return time.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...seconds });
}

/** A point of a line; without a value the line breaks. */
export interface Point {
  x: number;
  y: number | null;
}

/** Points of a series by its buckets. Buckets that are missing break the line: nothing is known of that time. */
export function pointsOf(labels: readonly string[], values: readonly (number | null)[], bucketSec: number): Point[] {
  const points: Point[] = [];
  let before: number | undefined;
  for (const [index, label] of labels.entries()) {
    const x = Date.parse(label);
    if (before !== undefined && x - before > 2.5 * bucketSec * 1000) points.push({ x: (before + x) / 2, y: null });
    points.push({ x, y: values[index] ?? null });
    before = x;
  }
  return points;
}
