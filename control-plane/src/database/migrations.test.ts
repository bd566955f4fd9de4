import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { loadMigrations, type Migration, type MigrationSession, migrate } from "./migrations.ts";
import { createDatabase } from "./testing/test-database.ts";

const steps: Migration[] = [
  { version: 1, name: "0001_a.sql", sql: "create table a (n integer); insert into a values (1);", checksum: "one" },
  { version: 2, name: "0002_b.sql", sql: "insert into a values (2); create table b (n integer);", checksum: "two" },
];

/** Sessions of one empty database, and the way to be rid of it. */
async function sessions(count: number) {
  const database = await createDatabase();
  const connectionString = database.config.databaseUrl;
  const clients = Array.from({ length: count }, () => new pg.Client({ connectionString }));
  await Promise.all(clients.map((client) => client.connect()));
  await clients[0]!.query("drop schema public cascade; create schema public");
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

describe("migrations", () => {
  let fixture: Awaited<ReturnType<typeof sessions>>;
  let session: MigrationSession;
  beforeEach(async () => {
    fixture = await sessions(3);
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
    const ran = await Promise.all(fixture.sessions.map((concurrent) => migrate(concurrent, steps)));
    expect(ran.flat().sort()).toEqual(["0001_a.sql", "0002_b.sql"]);
    expect(await session.query("select n from a order by n")).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it("leave nothing of a step that fails, and the steps before it", async () => {
    const broken = { version: 2, name: "0002_x.sql", sql: "insert into a values (9); select nonsense", checksum: "x" };
    await expect(migrate(session, [steps[0]!, broken])).rejects.toThrow(/migration 0002_x.sql failed: .*nonsense/);
    expect(await session.query("select n from a")).toEqual([{ n: 1 }]);
    expect(await migrate(session, steps)).toEqual(["0002_b.sql"]);
  });

  it("say why one failed although the connection is lost with it", async () => {
    const broken: MigrationSession = {
      query: async (text, parameters) => {
        if (text.includes("unlock") || text === "rollback") throw new Error("the connection is closed");
        return session.query(text, parameters);
      },
      script: (text) => session.script(text),
    };
    const step = { version: 1, name: "0001_x.sql", sql: "select nonsense", checksum: "x" };
    await expect(migrate(broken, [step])).rejects.toThrow(/migration 0001_x.sql failed: .*nonsense/);
  });

  it("refuse a server that is older than those they are written for", async () => {
    const old: MigrationSession = {
      query: async (text, parameters) =>
        text.includes("server_version")
          ? [{ version: "14.9 (Debian 14.9-1)", number: "140009" }]
          : session.query(text, parameters),
      script: () => Promise.reject(new Error("it is changed")),
    };
    await expect(migrate(old, steps)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/PostgreSQL 14\.9 .*15 or newer/),
    });
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
  it("carry the sandboxes that are there over to a spec, from which what quotas add up is computed", async () => {
    const { sessions: opened, remove } = await sessions(1);
    onTestFinished(remove);
    const session = opened[0]!;
    const migrations = loadMigrations();
    await migrate(session, migrations.slice(0, 9));
    const team = "11111111-1111-4111-8111-111111111111";
    await session.query("insert into teams (id, name, slug) values ($1, 'team', 'team')", [team]);
    const ids = ["sbaaaaaaaaaaaaaaaaaaaa", "sbbbbbbbbbbbbbbbbbbbbb"];
    await session.query("insert into sandboxes (id, team_id) values ($1, $2)", [ids[0], team]);
    await session.query(
      `insert into sandboxes (id, team_id, template, vcpus, memory_mb, timeout_sec, on_timeout, auto_resume)
       values ($1, $2, 'trained', 2, 1024, 60, 'destroy', true)`,
      [ids[1], team],
    );
    await migrate(session, migrations);
    const rows = await session.query("select spec, vcpus, memory_mb from sandboxes order by id");
    const spec = { version: 1, template: "minimal", vcpus: 1, memory_mb: 512, timeout_sec: 0, on_timeout: "pause" };
    const changed = { template: "trained", vcpus: 2, memory_mb: 1024, timeout_sec: 60, on_timeout: "destroy" };
    expect(rows).toEqual([
      { spec: { ...spec, auto_resume: false }, vcpus: 1, memory_mb: 512 },
      { spec: { ...spec, ...changed, auto_resume: true }, vcpus: 2, memory_mb: 1024 },
    ]);
  });

  it("carry over which host has which template", async () => {
    const { sessions: opened, remove } = await sessions(1);
    onTestFinished(remove);
    const session = opened[0]!;
    const migrations = loadMigrations();
    const before = migrations.findIndex(({ name }) => name.endsWith("template_hosts.sql"));
    await migrate(session, migrations.slice(0, before));
    const [host, team] = ["22222222-2222-4222-8222-222222222222", "11111111-1111-4111-8111-111111111111"];
    await session.query("insert into hosts (id, address) values ($1, 'unix:/a')", [host]);
    await session.query("insert into templates (name, team_id, type, host_id) values ('trained', $1, 'snapshot', $2)", [
      team,
      host,
    ]);
    await migrate(session, migrations);
    const rows = await session.query(
      "select name, template_hosts.host_id from template_hosts join templates on templates.id = template_id",
    );
    expect(rows).toEqual([{ name: "trained", host_id: host }]);
  });

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
