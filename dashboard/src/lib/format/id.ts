/** Characters of an id that are shown at both ends of it. */
const START = 6;
const END = 4;

/** A long id by its beginning and end: `sb3kq4…x2f7`. Names stay whole. */
export function shortId(id: string): string {
  return id.length <= START + END + 4 ? id : `${id.slice(0, START)}…${id.slice(-END)}`;
}
