/** How a file may be compressed, the smallest first, with the end of the name that its compressed form has. */
export const ENCODINGS = [
  { name: "br", suffix: ".br" },
  { name: "gzip", suffix: ".gz" },
] as const;

export type Encoding = (typeof ENCODINGS)[number]["name"];

/** Whether a client takes an encoding, by its Accept-Encoding (RFC 9110, section 12.5.3). */
export function accepts(header: string | undefined, encoding: Encoding): boolean {
  let byStar = false;
  for (const part of (header ?? "").split(",")) {
    const [name = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    const refuses = parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
    if (name === encoding || name === `x-${encoding}`) return !refuses;
    if (name === "*") byStar = !refuses;
  }
  return byStar;
}
