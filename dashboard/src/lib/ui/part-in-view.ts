/** Rows that are there above and below those in view. */
const AROUND = 24;
/** By how many rows the part moves. */
const STEP = 8;

/** Which rows of a long table are to be there. */
export function partInView(view: {
  /** Pixels of the rows that are above the view; negative when the first is below its top. */
  above: number;
  /** Height of the view. */
  viewPx: number;
  rowPx: number;
  count: number;
}): { start: number; end: number } {
  const { above, viewPx, rowPx, count } = view;
  const first = Math.floor(above / rowPx) - AROUND;
  const last = Math.ceil((above + viewPx) / rowPx) + AROUND;
  const start = Math.max(0, Math.min(Math.floor(first / STEP) * STEP, count));
  return { start, end: Math.min(count, Math.max(start, Math.ceil(last / STEP) * STEP)) };
}
