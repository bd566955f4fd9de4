/** A text that a host tells, as it is kept: `most` characters of it, and nothing that the database has no text for. */
export function textOfHost(text: string, most: number): string {
  return text.slice(0, most).toWellFormed().replaceAll("\0", "");
}
