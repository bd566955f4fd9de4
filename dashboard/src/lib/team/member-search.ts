/** Milliseconds of a pause in typing after which addresses are looked for. */
export const SEARCH_DELAY_MS = 300;

/** Whether what was typed is enough of an address for the server to complete it. */
export function canSearch(typed: string): boolean {
  return typed.length >= 3 && typed.includes("@");
}
