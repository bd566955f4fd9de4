/** Characters of a text of the guest that reach people. */
const CHARACTERS = 1000;
/** Characters that steer a terminal, change the order in which a text is shown, or begin another line. */
const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * A text of the guest for people, in bounds and without what would have it look like another: such characters as \uXXXX.
 * One of another type is empty.
 */
export function guestText(text: unknown): string {
  if (typeof text !== "string") return "";
  const safe = text.slice(0, CHARACTERS).toWellFormed().trim().replace(STEERING, escaped);
  return safe.slice(0, CHARACTERS);
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, unit) => {
    return `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`;
  }).join("");
}
