import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { createLogger } from "../logging.ts";
import { loadMigrations, type Migration, type MigrationSession, migrate } from "./migrations.ts";
import { ensureDatabase, prepareDatabase } from "./prepared.ts";
import { createDatabase, DATABASE_KINDS } from "./testing/each-database.ts";

const steps: Migration[] = [
  { version: 1, name: "0001_a.sql", sql: "create table a (n integer); insert into a values (1);", checksum: "one" },
  { version: 2, name: "0002_b.sql", sql: "insert into a values (2); create table b (n integer);", checksum: "two" },
];

/** Sessions of one fresh database, and the way to be rid of it. */
async function sessions(kind: (typeof DATABASE_KINDS)[number], count: number) {
  if (kind === "PGlite") {
    const { cacheDir } = inject("databases");
    const directory = await mkdtemp(join(tmpdir(), "warren-migrations-"));
    await ensureDatabase(join(directory, "db"), { cacheDir, ephemeral: false }, createLogger("silent"));
    const pglite = await PGlite.create({ dataDir: join(directory, "db") });
    await pglite.exec("drop schema public cascade; create schema public");
    const session: MigrationSession = {
      query: async (sql, parameters) => (await pglite.query<Record<string, unknown>>(sql, parameters)).rows,
      script: async (sql) => void (await pglite.exec(sql)),
    };
    const remove = async () => {
      await pglite.close();
      await rm(directory, { recursive: true, force: true });
    };
    return { sessions: Array<MigrationSession>(count).fill(session), remove };
  }
  const database = await createDatabase(kind);
  const connectionString = database.config.databaseUrl!;
  const clients = Array.from({ length: count }, () => new pg.Client({ connectionString }));
  await Promise.all(clients.map((client) => client.connect()));
  return {
    sessions: clients.map<MigrationSession>((client) => ({
      query: async (sql, parameters) => (await client.query(sql, parameters)).rows,
      script: async (sql) => void (await client.query(sql)),
    })),
    remove: async () => {
      await Promise.all(clients.map((client) => client.end()));
      await database.remove();
    },
  };
}

describe.each(DATABASE_KINDS)("migrations on %s", (kind) => {
  let fixture: Awaited<ReturnType<typeof sessions>>;
  let session: MigrationSession;
  beforeEach(async () => {
    fixture = await sessions(kind, 3);
    session = fixture.sessions[0]!;
  });
  afterEach(() => fixture.remove());

  it("run in order, once", async () => {
    expect(await migrate(session, steps.slice(0, 1))).toEqual(["0001_a.sql"]);
    expect(await migrate(session, steps)).toEqual(["0002_b.sql"]);
    expect(await migrate(session, steps)).toEqual([]);
    expect(await session.query("select n from a order by n")).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it("run once when several processes start together", async () => {
    const ran = await Promise.all(
      kind === "PGlite" ? [migrate(session, steps)] : fixture.sessions.map((concurrent) => migrate(concurrent, steps)),
    );
    expect(ran.flat().sort()).toEqual(["0001_a.sql", "0002_b.sql"]);
    expect(await session.query("select n from a order by n")).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it("leave nothing of a step that fails, and the steps before it", async () => {
    const broken = { version: 2, name: "0002_x.sql", sql: "insert into a values (9); select nonsense", checksum: "x" };
    await expect(migrate(session, [steps[0]!, broken])).rejects.toThrow(/migration 0002_x.sql failed: .*nonsense/);
    expect(await session.query("select n from a")).toEqual([{ n: 1 }]);
    expect(await migrate(session, steps)).toEqual(["0002_b.sql"]);
  });

  it("refuse a database that ran another text under the same number, or one that is newer", async () => {
    await migrate(session, steps);
    const changed = [steps[0]!, { ...steps[1]!, checksum: "other" }];
    await expect(migrate(session, changed)).rejects.toThrow(/another version of migration 0002_b.sql/);
    await expect(migrate(session, steps.slice(0, 1))).rejects.toThrow(/0002_b.sql, which this version/);
    expect(await migrate(session, steps)).toEqual([]);
  });
});

describe("the program's own migrations", () => {
  it("are numbered without a gap", () => {
    const migrations = loadMigrations();
    expect(migrations.map(({ version }) => version)).toEqual(migrations.map((_, index) => index + 1));
  });

  it("are refused with a gap in their numbers", async () => {
    const directory = await mkdtemp(join(tmpdir(), "warren-migrations-"));
    await writeFile(join(directory, "0001_a.sql"), "");
    await writeFile(join(directory, "0003_c.sql"), "");
    expect(() => loadMigrations(directory)).toThrow("0003_c.sql: expected number 2");
    await rm(directory, { recursive: true });
  });
});

describe("a prepared database", () => {
  const log = createLogger("silent");
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "warren-prepared-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it("is made once for all who ask at the same time, and leaves nothing half-made", async () => {
    const cacheDir = join(directory, "cache");
    const [first, second] = await Promise.all([prepareDatabase(cacheDir, log), prepareDatabase(cacheDir, log)]);
    expect(second).toBe(first);
    expect(await readdir(join(cacheDir, "database"))).toHaveLength(1);
    expect(await prepareDatabase(cacheDir, log)).toBe(first);
  });

  it("never replaces a database that exists", async () => {
    await mkdir(join(directory, "db"));
    await writeFile(join(directory, "db", "mine"), "");
    await ensureDatabase(join(directory, "db"), { cacheDir: inject("databases").cacheDir, ephemeral: false }, log);
    expect(await readdir(join(directory, "db"))).toEqual(["mine"]);
  });

  it("takes the place of what a process left that was ended while it made one", async () => {
    await mkdir(join(directory, "db.0.tmp"));
    await ensureDatabase(join(directory, "db"), { cacheDir: inject("databases").cacheDir, ephemeral: false }, log);
    expect(await readdir(directory)).toEqual(["db"]);
  });

  it("is made in place when there is no cache", async () => {
    await ensureDatabase(join(directory, "db"), { ephemeral: false }, log);
    expect(await readdir(directory)).toEqual(["db"]);
    const pglite = await PGlite.create({ dataDir: join(directory, "db") });
    const { rows } = await pglite.query<{ name: string }>("select name from schema_migrations order by version");
    expect(rows.map(({ name }) => name)).toEqual(loadMigrations().map(({ name }) => name));
    await pglite.close();
  });
});
