import { createHash } from "node:crypto";

/** Named facts that decide what a build produces. */
export type Facts = Readonly<Record<string, string>>;

/** Key of facts: 16 hexadecimal digits, the same for the same facts in any order. */
export function contentKey(...facts: Facts[]): string {
  const sorted = facts.map((group) => Object.entries(group).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 16);
}

/** SHA-256 of files by name and content, whatever their order. */
export function hashFiles(files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash("sha256");
  for (const name of [...files.keys()].sort()) {
    const data = files.get(name)!;
    hash.update(`${JSON.stringify(name)} ${data.length}\n`).update(data);
  }
  return hash.digest("hex");
}
