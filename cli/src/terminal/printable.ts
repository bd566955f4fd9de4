/** Characters that steer a terminal, or change the order in which a text is shown. */
const STEERING = /[\p{Cc}\p{Cf}]/gu;
/** Those of them that a text of several lines has. */
const LAYOUT = new Set(["\n", "\t"]);

/** A text that others may have written, without what would steer the terminal: such characters as \uXXXX. */
export function printable(text: string): string {
  return text.replace(STEERING, (character) => (LAYOUT.has(character) ? character : escaped(character)));
}

/** The same in one line. */
export function printableLine(text: string): string {
  return text.replace(STEERING, escaped);
}

/** A name that others may have given, in one line and apart from what stands beside it: in quotes when it needs escapes. */
export function printableName(text: string): string {
  return text.search(STEERING) < 0 ? text : jsonText(text);
}

/** A value as JSON that steers no terminal: JSON itself escapes only some of the characters that do. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replace(STEERING, escaped);
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, unit) => {
    return `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`;
  }).join("");
}
