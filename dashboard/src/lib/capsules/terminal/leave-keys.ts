/** What leaves a terminal, which takes Tab and all other keys for its shell: as it is called on the pages. */
export const LEAVE_KEYS = "Ctrl Shift ↑";

/** Whether a key is that. */
export function leaves({ ctrlKey, shiftKey, altKey, metaKey, key }: KeyboardEvent): boolean {
  return ctrlKey && shiftKey && !altKey && !metaKey && key === "ArrowUp";
}
