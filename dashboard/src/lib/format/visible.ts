/**
 * Characters that steer, or that are not seen: controls, line ends, and those that turn the direction of writing or have no
 * width. The joiners of some scripts and of emoji are none.
 */
const STEERING = /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]--[\u200c\u200d]]/gv;
const SHORT: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text of somebody else as it is, with escapes for what would have it look like another one. */
export function visible(text: string): string {
  return text.replace(STEERING, (character) => SHORT[character] ?? escaped(character));
}

function escaped(character: string): string {
  const hex = character.codePointAt(0)!.toString(16);
  return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
}
