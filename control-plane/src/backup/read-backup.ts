import { createHash } from "node:crypto";
import { type ArchiveEntry, ArchiveError, readArchive } from "@warren/server/archive";
import {
  type BackedUpTable,
  damaged,
  MANIFEST,
  MAX_JSON_BYTES,
  MAX_ROW_BYTES,
  type Manifest,
  ManifestSchema,
  parseDocument,
  partPath,
  TOTALS,
  type Totals,
  TotalsSchema,
} from "./format.ts";
import { TableTally } from "./tally.ts";

/** What a backup holds, in its order: the manifest, each of its tables, the totals. */
export type BackupItem =
  | { kind: "manifest"; manifest: Manifest }
  /** The rows are to be read before the next item is asked for; what is not is checked all the same. */
  | { kind: "table"; table: BackedUpTable; rows: AsyncIterable<Buffer> }
  | { kind: "totals"; totals: Totals };

/**
 * Reads the archive of a backup as its bytes come. Nothing of it is believed: all that is held is bounded, its members are
 * those that its manifest announces and no others, and when this has come to its end every row has the columns of its table
 * and all totals are true. Otherwise it throws `invalid_request`.
 */
export async function* readBackup(bytes: AsyncIterable<Buffer>): AsyncGenerator<BackupItem> {
  const entries = new Entries(bytes);
  const manifestText = await readDocument(entries, MANIFEST);
  const manifest = parseDocument(MANIFEST, ManifestSchema, manifestText.toString());
  requireDistinct(manifest.tables.map(({ name }) => name));
  for (const { columns } of manifest.tables) requireDistinct(columns);
  yield { kind: "manifest", manifest };
  const found: Totals["tables"] = [];
  for (const table of manifest.tables) {
    const tally = new TableTally(table.columns.length, MAX_ROW_BYTES);
    const rows = readRows(entries, table, tally);
    yield { kind: "table", table, rows };
    for await (const _ of rows);
    const counted = tally.end();
    if (!counted) throw damaged(`the last row of its table ${table.name} breaks off`);
    found.push({ name: table.name, ...counted });
  }
  const totals = parseDocument(TOTALS, TotalsSchema, (await readDocument(entries, TOTALS)).toString());
  checkTotals(totals, manifestText, found);
  requireDistinct(totals.sequences.map(({ name }) => name));
  const further = await entries.next();
  if (further) throw damaged(`it has a ${shown(further.path)} after its totals`);
  yield { kind: "totals", totals };
}

/** The members of an archive, of which the next one can be looked at. */
class Entries {
  readonly #entries: AsyncGenerator<ArchiveEntry>;
  #ahead: ArchiveEntry | undefined;

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#entries = readArchive(bytes);
  }

  /** The next member; undefined at the end. */
  async next(): Promise<ArchiveEntry | undefined> {
    const entry = await this.peek();
    this.#ahead = undefined;
    return entry;
  }

  async peek(): Promise<ArchiveEntry | undefined> {
    if (!this.#ahead) {
      const { value, done } = await asDamage(() => this.#entries.next());
      if (!done) this.#ahead = value;
    }
    return this.#ahead;
  }
}

async function readDocument(entries: Entries, path: string): Promise<Buffer> {
  const entry = await entries.next();
  if (entry?.path !== path || entry.type !== "file") {
    throw damaged(entry ? `it has a ${shown(entry.path)} in place of its ${path}` : `it ends without its ${path}`);
  }
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of contentOf(entry)) {
    bytes += piece.length;
    if (bytes > MAX_JSON_BYTES) throw damaged(`its ${path} is too long`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** The parts of a table as one text, as far as they come. */
async function* readRows(entries: Entries, table: BackedUpTable, tally: TableTally): AsyncGenerator<Buffer> {
  for (let part = 1; ; part++) {
    const entry = await entries.peek();
    if (entry?.path !== partPath(table.name, part) || entry.type !== "file") return;
    await entries.next();
    for await (const piece of contentOf(entry)) {
      const problem = tally.add(piece);
      if (problem !== undefined) throw damaged(`of its table ${table.name}, ${problem}`);
      yield piece;
    }
  }
}

async function* contentOf(entry: ArchiveEntry): AsyncGenerator<Buffer> {
  const content = entry.content[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await asDamage(() => content.next());
    if (done) return;
    yield value;
  }
}

function checkTotals(totals: Totals, manifestText: Buffer, found: Totals["tables"]): void {
  const sha256 = createHash("sha256").update(manifestText).digest("hex");
  if (totals.manifest_sha256 !== sha256) throw damaged(`its ${MANIFEST} is not the one it was written with`);
  if (totals.tables.length !== found.length) throw damaged("its totals are those of other tables");
  for (const [index, table] of found.entries()) {
    const claimed = totals.tables[index]!;
    const same = (["name", "rows", "bytes", "sha256"] as const).every((key) => claimed[key] === table[key]);
    if (!same) throw damaged(`its table ${table.name} is not as it was written`);
  }
}

function requireDistinct(names: string[]): void {
  if (new Set(names).size !== names.length) throw damaged("a name stands in it twice");
}

/** What the archive, or what it is compressed with, is found to be wrong with. */
async function asDamage<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ArchiveError) throw damaged(`it has ${error.message}`, error);
    const { code } = error as NodeJS.ErrnoException;
    if (code === "Z_BUF_ERROR") throw damaged("it breaks off", error);
    if (code?.startsWith("Z_")) throw damaged("it is not compressed as a backup is", error);
    throw error;
  }
}

function shown(path: string): string {
  return JSON.stringify(path.slice(0, 100));
}
