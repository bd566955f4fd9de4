import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ARCHIVE_END, archiveMember } from "@warren/server/archive";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { loadMigrations, MIGRATION_LOCK, type Migration, migrate } from "../database/migrations.ts";
import { sessionOf } from "../database/postgres.ts";
import { createDatabase } from "../database/testing/test-database.ts";
import { BackupFile, saveBackup } from "./backup-file.ts";
import type { Manifest, Totals } from "./format.ts";
import { emptySchema, loadBackup } from "./load-backup.ts";
import { readBackup } from "./read-backup.ts";
import { namesOf, readTables } from "./schema.ts";
import { TableTally } from "./tally.ts";
import { type BackupOptions, writeBackup } from "./write-backup.ts";

const MIGRATIONS = loadMigrations();
const OPTIONS: BackupOptions = { version: "0.1.0", migrations: MIGRATIONS };
const TEAM = "11111111-1111-4111-8111-111111111111";
/** What a text of COPY has to escape, and what only looks like it. */
const ODD = 'tab\tnewline\nreturn\rback\\slash \\N \\. \\t\u0001 "quoted" ü 𝄞 \u202e';

const removed: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const remove of removed.reverse()) await remove();
});

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  removed.push(() => client.end());
  return client;
}

async function newDatabase(): Promise<{ client: pg.Client; url: string }> {
  const database = await createDatabase();
  removed.push(database.remove);
  const url = database.config.databaseUrl;
  return { client: await connect(url), url };
}

async function emptyDatabase(): Promise<pg.Client> {
  const { client } = await newDatabase();
  await emptySchema(client);
  return client;
}

/** A database with something in each kind of column. */
async function filledDatabase(): Promise<{ client: pg.Client; url: string }> {
  const database = await newDatabase();
  const { client } = database;
  await client.query("insert into teams (id, name, slug) values ($1, $2, 'odd')", [TEAM, ODD]);
  await client.query(
    `insert into users (id, email, name, password_hash) values
     ('22222222-2222-4222-8222-222222222222', 'a@example.org', '', null),
     ('33333333-3333-4333-8333-333333333333', 'b@example.org', $1, $1)`,
    [ODD],
  );
  await client.query(
    `insert into users_teams (user_id, team_id, role) values ('22222222-2222-4222-8222-222222222222', $1, 'owner')`,
    [TEAM],
  );
  await client.query(
    "insert into team_api_keys (id, team_id, key_hash, scopes) values (gen_random_uuid(), $1, 'hash', '{read}')",
    [TEAM],
  );
  await client.query(
    `insert into sandboxes (id, team_id, spec, metadata, reason, created_at, name)
     values ('sbaaaaaaaaaaaaaaaaaaaa', $1, '{"vcpus":2,"memory_mb":512}', $2, '{"code":"x"}',
       '2026-01-02 03:04:05.678901+05', $3)`,
    [TEAM, JSON.stringify({ [ODD]: ODD }), ODD],
  );
  await client.query(
    `create table sandbox_metrics_snapshots_20260102 partition of sandbox_metrics_snapshots
     for values from ('2026-01-02 00:00+00') to ('2026-01-03 00:00+00')`,
  );
  await client.query(
    "insert into sandbox_metrics_snapshots select $1, '2026-01-02 23:59:50+00'::timestamptz + n * interval '10 s', n, n, n from generate_series(0, 1) n",
    [TEAM],
  );
  await client.query("insert into rate_limits select 'key ' || n, now() from generate_series(1, 50000) n");
  await client.query("select setval('sandbox_placements', 41)");
  return database;
}

async function contents(client: pg.Client): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const { name } of await readTables(client)) {
    const { rows } = await client.query(
      `select count(*)::int as rows, md5(string_agg(t::text, '|' order by t::text)) as text from ${name} t`,
    );
    found[name] = rows[0];
  }
  found.sequence = (await client.query("select last_value, is_called from sandbox_placements")).rows[0];
  // Which partitions there are is the server's to see to.
  const constraints = `select conrelid::regclass::text || ' ' || conname as name from pg_constraint
    left join pg_class on pg_class.oid = conrelid where relispartition is not true order by 1`;
  found.constraints = (await client.query(constraints)).rows;
  return found;
}

async function archiveOf(client: pg.Client, options = OPTIONS): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of writeBackup(client, options)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

describe("a backup", () => {
  let source: { client: pg.Client; url: string };
  let directory: string;
  beforeAll(async () => {
    source = await filledDatabase();
    directory = await mkdtemp(join(tmpdir(), "warren-backup-"));
    removed.push(() => rm(directory, { recursive: true, force: true }));
  });
  afterEach(() => source.client.query("rollback"));

  it("brings an empty database to the same rows, sequences and constraints", async () => {
    const target = await emptyDatabase();
    const { totals } = await loadBackup(target, inPieces(await archiveOf(source.client)), { migrations: MIGRATIONS });
    expect(totals.tables.find(({ name }) => name === "rate_limits")?.rows).toBe(50_000);
    expect(await contents(target)).toEqual(await contents(source.client));
    const { rows } = await target.query("select name, metadata from sandboxes");
    expect(rows).toEqual([{ name: ODD, metadata: { [ODD]: ODD } }]);
    // The server finds nothing left to migrate.
    const applied = await target.query("select name, checksum from schema_migrations order by version");
    expect(applied.rows).toEqual(MIGRATIONS.map(({ name, checksum }) => ({ name, checksum })));
  });

  it("has no events, which name transactions of one database, and makes none where it is restored", async () => {
    const source = await filledDatabase();
    const { rows: before } = await source.client.query("select from events");
    expect(before.length).toBeGreaterThan(0);
    const target = await emptyDatabase();
    await loadBackup(target, writeBackup(source.client, OPTIONS), { migrations: MIGRATIONS });
    expect((await target.query("select from events")).rows).toEqual([]);
    // From now on there are events again.
    await target.query("update teams set name = 'other' where id = $1", [TEAM]);
    expect((await target.query("select type from events")).rows).toEqual([{ type: "team" }]);
  });

  it("is what stood in the database at one moment, while others write", async () => {
    const before = await contents(source.client);
    const archive = writeBackup(source.client, OPTIONS);
    const pieces = [(await archive.next()).value as Buffer];
    const other = await connect(source.url);
    await other.query("insert into rate_limits values ('later', now())");
    await other.query("update teams set name = 'later'");
    for await (const piece of archive) pieces.push(piece);
    const target = await emptyDatabase();
    await loadBackup(target, inPieces(Buffer.concat(pieces)), { migrations: MIGRATIONS });
    expect(await contents(target)).toEqual(before);
    await other.query("delete from rate_limits where key = 'later'");
    await other.query("update teams set name = $1", [ODD]);
  });

  it("holds back a migration until it is done", async () => {
    const archive = writeBackup(source.client, OPTIONS);
    await archive.next();
    const other = await connect(source.url);
    const free = async () =>
      (await other.query("select pg_try_advisory_lock($1::bigint) as free", [MIGRATION_LOCK.toString()])).rows[0].free;
    expect(await free()).toBe(false);
    for await (const _ of archive);
    expect(await free()).toBe(true);
    await other.end();
  });

  it("of an older schema is completed", async () => {
    const older = MIGRATIONS.slice(0, 3);
    const client = await emptyDatabase();
    await migrate(sessionOf(client), older);
    await client.query("insert into teams (id, name, slug) values ($1, 'old', 'old')", [TEAM]);
    const target = await emptyDatabase();
    await loadBackup(target, inPieces(await archiveOf(client)), { migrations: MIGRATIONS });
    expect((await target.query("select name from teams")).rows).toEqual([{ name: "old" }]);
    const { columns } = (await readTables(target)).find(({ name }) => name === "sandboxes")!;
    expect(columns).toContain("lease_sec");
    expect((await target.query("select count(*)::int from schema_migrations")).rows).toEqual([
      { count: MIGRATIONS.length },
    ]);
  });

  it.each([
    ["a newer schema", (all: Migration[]) => all.slice(0, -1), "which this version of Warren does not know"],
    [
      "another schema",
      (all: Migration[]) => [{ ...all[0]!, checksum: "0".repeat(64) }, ...all.slice(1)],
      "ran another version of migration 0001",
    ],
  ])("of %s is refused", async (_what, change, message) => {
    const target = await emptyDatabase();
    const archive = inPieces(await archiveOf(source.client));
    const refused = loadBackup(target, archive, { migrations: change(MIGRATIONS) });
    await expect(refused).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining(message) });
    expect(await readTables(target)).toEqual([]);
  });

  it("goes into an empty database only", async () => {
    const archive = inPieces(await archiveOf(source.client));
    const before = await contents(source.client);
    const refused = loadBackup(source.client, archive, { migrations: MIGRATIONS });
    await expect(refused).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("not empty") });
    expect(await contents(source.client)).toEqual(before);
  });

  it.each<[string, (text: string) => string, string]>([
    [
      "values that no such column has",
      (text) => text.replace("odd\tf", "odd\tq"),
      "invalid input syntax for type boolean",
    ],
    [
      "rows that refer to none",
      (text) => text.replace(/^.*\towner\t/m, (row) => row.replaceAll("1", "5")),
      "foreign key",
    ],
    ["a mark of an end amidst its rows", (text) => text.replace(/^key 9\t/m, "\\.\t"), ""],
  ])("with %s is refused, and the database stays empty", async (_what, change, message) => {
    const archive = await forged(await archiveOf(source.client), change);
    const target = await emptyDatabase();
    const refused = loadBackup(target, inPieces(archive), { migrations: MIGRATIONS });
    await expect(refused).rejects.toMatchObject({ code: "invalid_request", message: expect.stringContaining(message) });
    expect(await readTables(target)).toEqual([]);
  });

  it.each<[string, (manifest: Manifest) => Manifest]>([
    [
      "a table that its schema lacks",
      (m) => ({ ...m, tables: [...m.tables, { name: "pg_authid", columns: ["oid"] }] }),
    ],
    ["a table less", (m) => ({ ...m, tables: m.tables.slice(1) })],
    ["other columns", (m) => ({ ...m, tables: m.tables.map((table) => ({ ...table, columns: ["id"] })) })],
  ])("with %s is refused, and the database stays empty", async (_what, change) => {
    const archive = await forged(await archiveOf(source.client), (text) => text, change);
    const target = await emptyDatabase();
    const refused = loadBackup(target, inPieces(archive), { migrations: MIGRATIONS });
    const message = expect.stringContaining("not those of its schema");
    await expect(refused).rejects.toMatchObject({ code: "invalid_request", message });
    expect(await readTables(target)).toEqual([]);
  });

  it("has Warren's tables only, and says which others there are", async () => {
    await source.client.query("create table somebody_elses (n integer)");
    const leftOut: string[] = [];
    const archive = await archiveOf(source.client, { ...OPTIONS, onLeftOut: (tables) => leftOut.push(...tables) });
    await source.client.query("drop table somebody_elses");
    expect(leftOut).toEqual(["somebody_elses"]);
    const target = await emptyDatabase();
    await loadBackup(target, inPieces(archive), { migrations: MIGRATIONS });
    expect(await contents(target)).toEqual(await contents(source.client));
  });

  it("knows all tables that the migrations make", async () => {
    const names = namesOf(MIGRATIONS);
    for (const { name } of await readTables(source.client)) expect(names).toContain(name);
  });

  it("is complete in its file, for this user alone, and never takes the place of another unasked", async () => {
    const path = join(directory, "warren.backup");
    const save = (force: boolean) => saveBackup(path, inPieces(bytes), { force, signal: new AbortController().signal });
    const bytes = await archiveOf(source.client);
    await save(false);
    const file = await BackupFile.open(path);
    expect(bytes.equals(Buffer.concat(await collect(file.archive())))).toBe(true);
    expect((await stat(path)).mode & 0o7777).toBe(0o600);
    const kinds = [];
    for await (const item of readBackup(file.archive())) kinds.push(item.kind);
    expect([kinds[0], kinds.at(-1)]).toEqual(["manifest", "totals"]);
    await file.close();
    await expect(save(false)).rejects.toMatchObject({ code: "already_exists" });
    await save(true);
    expect(await readdir(directory)).toEqual(["warren.backup"]);
  });
});

/** A backup of other rows, or of another manifest, that is true in itself. */
async function forged(
  archive: Buffer,
  changeRows: (text: string) => string,
  changeManifest: (manifest: Manifest) => Manifest = (manifest) => manifest,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const add = (path: string, content: string) => pieces.push(archiveMember(path, Buffer.from(content), new Date(0)));
  let manifestText = "";
  const tables: Totals["tables"] = [];
  for await (const item of readBackup(inPieces(archive))) {
    if (item.kind === "manifest") {
      manifestText = JSON.stringify(changeManifest(item.manifest));
      add("manifest.json", manifestText);
    } else if (item.kind === "table") {
      const { name, columns } = item.table;
      const text = changeRows(Buffer.concat(await collect(item.rows)).toString());
      if (text !== "") add(`tables/${name}/000001`, text);
      const tally = new TableTally(columns.length, text.length);
      tally.add(Buffer.from(text));
      tables.push({ name, ...tally.end()! });
    } else add("totals.json", JSON.stringify({ ...item.totals, tables, manifest_sha256: sha256(manifestText) }));
  }
  return Buffer.concat([...pieces, ARCHIVE_END]);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}
