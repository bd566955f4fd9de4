/** Rows that are there above and below those in view. */
const AROUND = 20;
/** By how many rows the part moves. */
const STEP = 4;

/** Which rows of a long table are to be there: as many wherever the view is, so that they can be used again. */
export function partInView(view: {
  /** Pixels of the rows that are above the view; negative when the first is below its top. */
  above: number;
  /** Height of the view. */
  viewPx: number;
  rowPx: number;
  count: number;
}): { start: number; end: number } {
  const { above, viewPx, rowPx, count } = view;
  const size = Math.ceil(viewPx / rowPx) + 2 * AROUND;
  const first = Math.floor(above / rowPx) - AROUND;
  const start = Math.max(0, Math.min(Math.floor(first / STEP) * STEP, count - size));
  return { start, end: Math.min(count, start + size) };
}
