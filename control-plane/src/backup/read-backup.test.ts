import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { WarrenError } from "@warren/contracts/errors";
import { ARCHIVE_END, archiveMember } from "@warren/server/archive";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BackupFile } from "./backup-file.ts";
import type { Manifest, Totals } from "./format.ts";
import { readBackup } from "./read-backup.ts";

const MANIFEST: Manifest = {
  format: 1,
  warren: "0.1.0",
  created_at: "2026-01-02T03:04:05.678Z",
  server_major: 18,
  migrations: [{ name: "0001_a.sql", checksum: "0".repeat(64) }],
  tables: [
    { name: "a", columns: ["x", "y"] },
    { name: "b", columns: ["z"] },
  ],
};
const ROWS = { a: "1\tone\n2\t\\N\n", b: "" };

/** A member of an archive. */
type Member = [path: string, content: string | Buffer];

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function totalsOf(manifest: string, rows: Record<string, string>): Totals {
  const tables = Object.entries(rows).map(([name, text]) => {
    return { name, rows: text.split("\n").length - 1, bytes: Buffer.byteLength(text), sha256: sha256(text) };
  });
  return { manifest_sha256: sha256(manifest), tables, sequences: [] };
}

/** The members of a backup whose totals are true of it. */
function members(rows: Record<string, string> = ROWS, manifest: unknown = MANIFEST): Member[] {
  const text = JSON.stringify(manifest);
  const tables = Object.entries(rows).flatMap(([name, content]): Member[] => {
    return content === "" ? [] : [[`tables/${name}/000001`, content]];
  });
  return [["manifest.json", text], ...tables, ["totals.json", JSON.stringify(totalsOf(text, rows))]];
}

function archive(all: Member[]): Buffer {
  const at = new Date(0);
  return Buffer.concat([...all.map(([path, content]) => archiveMember(path, Buffer.from(content), at)), ARCHIVE_END]);
}

const BACKUP = archive(members());

let directory: string;
let file: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-read-backup-"));
  file = join(directory, "backup");
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** What a compressed backup holds, or what is said of it. */
async function readFile(compressed: Buffer): Promise<string> {
  await writeFile(file, compressed);
  const backup = await BackupFile.open(file);
  try {
    return await read(backup.archive());
  } finally {
    await backup.close();
  }
}

async function read(bytes: AsyncIterable<Buffer>): Promise<string> {
  const found: string[] = [];
  try {
    for await (const item of readBackup(bytes)) {
      found.push(item.kind);
      if (item.kind !== "table") continue;
      let text = "";
      for await (const piece of item.rows) text += piece.toString("latin1");
      found.push(item.table.name, text);
    }
    return JSON.stringify(found);
  } catch (error) {
    if (!(error instanceof WarrenError)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

async function* inPieces(bytes: Buffer, size = bytes.length): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const WHOLE = JSON.stringify(["manifest", "table", "a", ROWS.a, "table", "b", ROWS.b, "totals"]);

describe("a backup", () => {
  it("is read whole, and in parts of any size", async () => {
    expect(await readFile(gzipSync(BACKUP))).toBe(WHOLE);
    const [manifest, , totals] = members() as [Member, Member, Member];
    const parts: Member[] = [
      ["tables/a/000001", "1\ton"],
      ["tables/a/000002", "e\n2\t\\N\n"],
    ];
    expect(await read(inPieces(archive([manifest, ...parts, totals])))).toBe(WHOLE);
  });

  const [MANIFEST_MEMBER, TABLE_MEMBER, TOTALS_MEMBER] = members() as [Member, Member, Member];
  const named = (tables: unknown) => members(ROWS, { ...MANIFEST, tables });
  it.each<[string, Member[], string]>([
    ["without a manifest", [TABLE_MEMBER, TOTALS_MEMBER], "in place of its manifest.json"],
    ["that is empty", [], "ends without its manifest.json"],
    ["without its totals", [MANIFEST_MEMBER, TABLE_MEMBER], "ends without its totals.json"],
    ["without a table", [MANIFEST_MEMBER, TOTALS_MEMBER], "table a is not as it was written"],
    ["with a table twice", [MANIFEST_MEMBER, TABLE_MEMBER, TABLE_MEMBER, TOTALS_MEMBER], "in place of its totals.json"],
    ["with more after its totals", [...members(), ["x", ""]], 'has a "x" after its totals'],
    [
      "with a path that leads out",
      [MANIFEST_MEMBER, ["../../etc/passwd", "x"], TOTALS_MEMBER],
      "in place of its totals",
    ],
    ["with a row of too many columns", members({ a: "1\t2\t3\n", b: "" }), "row 1 has 3 columns in place of 2"],
    ["with a row of too few", members({ a: "1\t2\n1\n", b: "" }), "row 2 has 1 columns in place of 2"],
    ["with half a row", members({ a: "1\t2\n3\t", b: "" }), "last row of its table a breaks off"],
    ["with a row without an end", members({ a: "", b: "x".repeat(17 * 1024 * 1024) }), "is too long"],
    ["with a manifest without an end", [["manifest.json", "x".repeat(2 * 1024 * 1024)]], "manifest.json is too long"],
    ["with a manifest that is no JSON", [["manifest.json", "{"]], "is not JSON"],
    ["with a manifest of something else", [["manifest.json", "{}"]], "is not one of a backup"],
    ["with statements for names", named([{ name: 'a"; drop table users; --', columns: ["x"] }]), "not one of a backup"],
    ["with a table without columns", named([{ name: "a", columns: [] }]), "not one of a backup"],
    ["with a column twice", named([{ name: "a", columns: ["x", "x"] }]), "stands in it twice"],
    [
      "with two tables of a name",
      named([
        { name: "a", columns: ["x"] },
        { name: "a", columns: ["x"] },
      ]),
      "stands in it twice",
    ],
    [
      "with a sequence that is no number",
      [
        MANIFEST_MEMBER,
        TABLE_MEMBER,
        [
          "totals.json",
          JSON.stringify({
            ...JSON.parse(String(TOTALS_MEMBER[1])),
            sequences: [{ name: "s", value: "1); drop", is_called: true }],
          }),
        ],
      ],
      "totals.json is not one of a backup",
    ],
  ])("%s is refused", async (_what, all, message) => {
    const said = await readFile(gzipSync(archive(all)));
    expect(said).toMatch(/^invalid_request: the backup is damaged, or none of Warren: .*; nothing was changed$/s);
    expect(said).toContain(message);
  });

  it("of a later format is told from one that is damaged", async () => {
    const said = await read(inPieces(archive([["manifest.json", JSON.stringify({ format: 2, rows: [] })]])));
    expect(said).toMatch(/^conflict: .* newer Warren/);
  });

  it("that breaks off anywhere is refused", async () => {
    const compressed = gzipSync(BACKUP);
    for (let length = 0; length < compressed.length; length++) {
      expect(await readFile(compressed.subarray(0, length)), `${length} bytes`).toMatch(/^invalid_request: /);
    }
  });

  it("with any bit of its file changed is refused, or read as it was", async () => {
    const compressed = gzipSync(BACKUP);
    for (let at = 0; at < compressed.length; at++) {
      const changed = Buffer.from(compressed);
      changed[at]! ^= 1 << (at % 8);
      // Some bits say nothing of what is in it, such as those of a time in the header.
      const said = await readFile(changed);
      expect(said === WHOLE || said.startsWith("invalid_request: "), `byte ${at}: ${said}`).toBe(true);
    }
  });

  it("that was put together anew with other bytes is read or refused the same however it comes", async () => {
    const change = fc.record({ at: fc.nat(BACKUP.length - 1), value: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 2000 }),
        async (changes, size) => {
          const changed = Buffer.from(BACKUP);
          for (const { at, value } of changes) changed[at] = value;
          const said = await read(inPieces(changed));
          expect(await read(inPieces(changed, size))).toBe(said);
          // What is of no account in an archive, such as the times of its members, may change.
          expect(said === WHOLE || said.startsWith("invalid_request: ") || said.startsWith("conflict: "), said).toBe(
            true,
          );
        },
      ),
      { seed: 9, numRuns: 500 },
    );
  });
});
