import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chown, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { LocalUser } from "@warren/server/testing/local-user";
import { DATABASE_IDS } from "@warren/server/user-ids";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { createLogger } from "../../logging.ts";
import { LogLines } from "../../testing/log-lines.ts";
import { EmbeddedDatabase } from "./embedded-database.ts";

const run = promisify(execFile);

let directory: string;
let dataDir: string;
let log: LogLines;
let open: EmbeddedDatabase[];
let givenUp: Error[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-embedded-"));
  dataDir = join(directory, "data");
  await mkdir(dataDir, { mode: 0o700 });
  [log, open, givenUp] = [new LogLines(), [], []];
});
afterEach(async () => {
  await Promise.all(open.map((database) => database.close()));
  await rm(directory, { recursive: true, force: true });
});

async function start({ ephemeral = false, on = dataDir } = {}): Promise<EmbeddedDatabase> {
  const { cacheDir } = inject("databases");
  const database = await EmbeddedDatabase.start(
    { dataDir: on, cacheDir, ephemeral },
    createLogger("debug", log),
    (error) => givenUp.push(error),
  );
  open.push(database);
  return database;
}

async function query(database: EmbeddedDatabase, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

const show = async (database: EmbeddedDatabase, ...settings: string[]) => {
  const columns = settings.map((name) => `current_setting('${name}') as ${name}`);
  return (await query(database, `select ${columns.join(", ")}`))[0];
};

const clusterOf = (dataDir: string) => join(dataDir, "database", "cluster");
const pidFile = (on = dataDir) => join(clusterOf(on), "postmaster.pid");
const pid = async (on = dataDir) => Number((await readFile(pidFile(on), "utf8")).split("\n")[0]);
/** The user that a process runs as. */
const userOf = async (process: number) => (await stat(`/proc/${process}`)).uid;

/** Process id of the last child of a process that runs a program. */
async function childOf(parent: number, program: string): Promise<number> {
  const { stdout } = await run("pgrep", ["--newest", "--parent", String(parent), program]);
  return Number(stdout);
}

const addTeam = (database: EmbeddedDatabase, name: string) =>
  query(database, `insert into teams (id, name, slug) values (gen_random_uuid(), '${name}', '${name}')`);
const teams = async (database: EmbeddedDatabase) =>
  (await query(database, "select name from teams order by name")).map(({ name }) => name);

describe("an embedded database", () => {
  it("has on the disk what it answered, and notices what a disk changed; one for a single command waits for no disk", async () => {
    const lasting = await start();
    const settings = ["fsync", "full_page_writes", "synchronous_commit", "data_checksums"];
    expect(await show(lasting, ...settings)).toEqual({
      fsync: "on",
      full_page_writes: "on",
      synchronous_commit: "on",
      data_checksums: "on",
    });
    await lasting.close();
    await rm(dataDir, { recursive: true });
    await mkdir(dataDir, { mode: 0o700 });
    const brief = await start({ ephemeral: true });
    expect(await show(brief, "fsync", "synchronous_commit")).toEqual({ fsync: "off", synchronous_commit: "off" });
    expect(await readdir(join(dataDir, "database"))).not.toContain("cluster");
  });

  it("is out of reach for others, and has no privileges and nothing of the host's files itself", async () => {
    const database = await start();
    const server = await pid();
    const { uid, mode } = await stat(join(dataDir, "database", "cluster"));
    expect(uid).toBeGreaterThanOrEqual(DATABASE_IDS.first);
    expect(uid).toBeLessThanOrEqual(DATABASE_IDS.last);
    expect(mode & 0o777).toBe(0o700);
    const status = await readFile(`/proc/${server}/status`, "utf8");
    expect(status).toMatch(new RegExp(`^Uid:(\\t${uid}){4}$`, "m"));
    expect(status).toMatch(new RegExp(`^Gid:(\\t${uid}){4}$`, "m"));
    expect(status).toMatch(/^Groups:\s*$/m);
    for (const set of ["Inh", "Prm", "Eff", "Bnd", "Amb"]) expect(status).toMatch(new RegExp(`^Cap${set}:\\t0+$`, "m"));
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect((await readdir(`/proc/${server}/root`)).sort()).not.toContain("home");
    expect(await readdir(`/proc/${server}/root/etc`)).toEqual(["passwd"]);
    // Even where the way to it is open.
    await run("chmod", ["a+x", directory, dataDir, join(dataDir, "database")]);
    const nobody = new LocalUser(directory);
    try {
      expect(await nobody.read("data/database/cluster/PG_VERSION")).toBe("EACCES");
      expect(await nobody.read("data/database/socket/.s.PGSQL.5432.lock")).toBe("EACCES");
    } finally {
      nobody.leave();
    }
    expect(await teams(database)).toEqual([]);
  });

  it("is started again when it is killed, and has what it answered", async () => {
    const database = await start();
    await addTeam(database, "kept");
    const killed = await pid();
    process.kill(killed, "SIGKILL");
    await log.until(() => log.lines.some(({ msg }) => msg === "the embedded database runs again"));
    expect(await teams(database)).toEqual(["kept"]);
    expect(await pid()).not.toBe(killed);
    expect(givenUp).toEqual([]);
  });

  it("is given up when it cannot be started again", async () => {
    const database = await start();
    const server = await pid();
    await rename(join(dataDir, "database", "cluster", "global"), join(directory, "global"));
    process.kill(server, "SIGKILL");
    await expect
      .poll(() => givenUp.map(({ message }) => message), { timeout: 60_000 })
      .toEqual([expect.stringContaining("did not start")]);
    await database.close();
  });

  it("that need not last is given up when it ends, for its data are gone", async () => {
    const database = await start({ ephemeral: true });
    expect(await teams(database)).toEqual([]);
    process.kill(await childOf(process.pid, "postgres"), "SIGKILL");
    await expect.poll(() => givenUp).toHaveLength(1);
  });

  it("starts over what a killed one left, though another process has its id by now", async () => {
    const first = await start();
    await addTeam(first, "kept");
    await first.close();
    // PostgreSQL takes a process of its own user for another server.
    const { uid } = await stat(clusterOf(dataDir));
    const other = spawn("setpriv", [`--reuid=${uid}`, "--clear-groups", "sleep", "600"], { stdio: "ignore" });
    try {
      await writeFile(pidFile(), `${other.pid}\n/cluster\n1\n5432\n/socket\n\n  1 1\nready\n`);
      await chown(pidFile(), uid, uid);
      expect(await teams(await start())).toEqual(["kept"]);
    } finally {
      other.kill();
    }
  });

  it("has a user that no other one of the machine has, also where both had the same", async () => {
    const other = join(directory, "other");
    await mkdir(other, { mode: 0o700 });
    for (const on of [dataDir, other]) await (await start({ on })).close();
    for (const on of [dataDir, other]) {
      await run("chown", ["-R", `${DATABASE_IDS.first}:${DATABASE_IDS.first}`, clusterOf(on)]);
    }
    await addTeam(await start(), "mine");
    const second = await start({ on: other });
    expect(await teams(second)).toEqual([]);
    const users = [await userOf(await pid()), await userOf(await pid(other))];
    expect(new Set(users).size).toBe(2);
    // A file of the one is not the other's, even if it found the way to it.
    expect((await stat(join(clusterOf(other), "global/pg_control"))).uid).toBe(users[1]);
    await second.close();
    // What need not last is copied for a user of its own.
    expect(await teams(await start({ on: other, ephemeral: true }))).toEqual([]);
    expect(await userOf(await childOf(process.pid, "postgres"))).not.toBe(users[0]);
  });

  it("of another user's, such as from a backup, becomes that of its server", async () => {
    await (await start()).close();
    await run("chown", ["-R", "0:0", join(dataDir, "database", "cluster")]);
    expect(await teams(await start())).toEqual([]);
  });
});

describe("is refused, with nothing changed,", () => {
  it.each([
    ["19", /PostgreSQL 19, .* has 18; use the newer version of Warren that made it/],
    ["17", /PostgreSQL 17, .* has 18; stop this server if it runs, then run warren admin database upgrade/],
  ])("a database of PostgreSQL %s", async (major, message) => {
    const cluster = join(dataDir, "database", "cluster");
    await mkdir(cluster, { recursive: true });
    await writeFile(join(cluster, "PG_VERSION"), `${major}\n`);
    await expect(start()).rejects.toMatchObject({ code: "conflict", message: expect.stringMatching(message) });
    expect(await readdir(join(dataDir, "database"))).toEqual(["cluster"]);
    expect(await readdir(cluster)).toEqual(["PG_VERSION"]);
  });

  it("a data directory of an earlier kind, which holds what Warren answered for", async () => {
    await mkdir(join(dataDir, "db"));
    await writeFile(join(dataDir, "db", "PG_VERSION"), "18\n");
    await expect(start()).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/database of an earlier version of Warren, .* move .*db elsewhere/),
    });
    expect(existsSync(join(dataDir, "database"))).toBe(false);
  });

  it("a path that is too long for a socket", async () => {
    dataDir = join(directory, "x".repeat(60));
    await mkdir(dataDir);
    await expect(start()).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining("too long for a socket"),
    });
    expect(await readdir(dataDir)).toEqual([]);
  });
});
