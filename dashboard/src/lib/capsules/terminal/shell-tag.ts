/** A log-in shell: bash where the capsule has it. Each terminal of the pages begins with it. */
export const SHELL = "if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi";

const PREFIX = "terminal-";
const SHELL_TAG = new RegExp(`^${PREFIX}([1-9][0-9]{0,3})$`);

/** Tag of the command that a shell of the pages is, by which all browsers know it. */
export function shellTag(number: number): string {
  return `${PREFIX}${number}`;
}

/** Number of the shell that a tag is of; of other commands undefined. */
export function shellNumber(tag: string | undefined): number | undefined {
  const number = SHELL_TAG.exec(tag ?? "")?.[1];
  return number === undefined ? undefined : Number(number);
}

/** The lowest number that no shell has. */
export function freeNumber(taken: Iterable<number>): number {
  const others = new Set(taken);
  let number = 1;
  while (others.has(number)) number += 1;
  return number;
}
