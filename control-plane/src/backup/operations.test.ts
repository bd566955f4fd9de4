import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chown, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { claimDataDirectory } from "@warren/server/data-directory-lock";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../database/database.ts";
import { DATABASE, ENVIRONMENT, OWNER } from "../database/embedded/cluster.ts";
import { EmbeddedDatabase } from "../database/embedded/embedded-database.ts";
import { takeServerUser } from "../database/embedded/identity.ts";
import { settleReplacement } from "../database/embedded/replacement.ts";
import { PostgresServer } from "../database/embedded/server.ts";
import { commandFor } from "../database/embedded/view.ts";
import { migrateClient } from "../database/postgres.ts";
import type { Db } from "../database/tables.ts";
import { administer } from "../database/testing/postgres-server.ts";
import { createDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { backUp } from "./back-up.ts";
import { withConnection } from "./connection.ts";
import { emptySchema } from "./load-backup.ts";
import { restore } from "./restore.ts";
import type { Task } from "./task.ts";
import { upgradeDatabase } from "./upgrade.ts";

const LOG = createLogger("silent");
const MAIN = join(import.meta.dirname, "../main.ts");
/** The oldest version of PostgreSQL that a database may be of, as Debian 12 has it. */
const OLD = { directory: "/usr/lib/postgresql/15", version: "15", major: 15 };

let home: string;
let dataDir: string;
let file: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "warren-operations-"));
  dataDir = join(home, "data");
  file = join(home, "backup");
  await mkdir(dataDir, { mode: 0o700 });
});
afterEach(() => rm(home, { recursive: true, force: true }));

function task(more: Partial<Task> & { databaseUrl?: string } = {}): Task {
  const { databaseUrl, ...rest } = more;
  const { cacheDir } = inject("databases");
  const config = { dataDir, cacheDir, ...(databaseUrl === undefined ? {} : { databaseUrl }) };
  return { config, version: "0.1.0", log: LOG, progress: () => {}, signal: new AbortController().signal, ...rest };
}

/** Starts the server of the data directory's database, which is made if need be. */
function start(): Promise<EmbeddedDatabase> {
  const options = { dataDir, cacheDir: inject("databases").cacheDir, ephemeral: false };
  return EmbeddedDatabase.start(options, LOG, (error) => {
    throw error;
  });
}

/** Works on it while its server runs. */
async function withDatabase<T>(use: (db: Db) => Promise<T>): Promise<T> {
  const embedded = await start();
  try {
    const database = await openDatabase({}, LOG, embedded);
    try {
      return await use(database.db);
    } finally {
      await database.close();
    }
  } finally {
    await embedded.close();
  }
}

function addTeam(name: string): Promise<unknown> {
  return withDatabase((db) => db.insertInto("teams").values({ id: randomUUID(), name, slug: name }).execute());
}

async function teams(): Promise<string[]> {
  const rows = await withDatabase((db) => db.selectFrom("teams").select("name").orderBy("name").execute());
  return rows.map(({ name }) => name);
}

const kept = async () =>
  (await readdir(join(dataDir, "database"))).filter((name) => /^(cluster|new)/.test(name)).sort();

/** A cluster of the old version in the place of the data directory's, with one team. */
async function makeOldCluster(): Promise<void> {
  const directory = join(dataDir, "database");
  const cluster = join(directory, "cluster");
  const user = await takeServerUser();
  await mkdir(cluster, { recursive: true, mode: 0o700 });
  if (user) await chown(cluster, user.id, user.id);
  const options = ["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"];
  const places = { files: OLD.directory, cluster };
  const [program, ...words] = commandFor("initdb", (seen) => ["--pgdata", seen.cluster, ...options], places, user?.id);
  await promisify(execFile)(program, words, { env: ENVIRONMENT });
  user?.lock.release();
  const settings = { durable: false, maxConnections: 5, log: LOG };
  const server = await PostgresServer.start({ files: OLD, cluster, directory, ...settings });
  await administer(server.url("postgres"), `create role ${OWNER} login`);
  await administer(server.url("postgres"), `create database ${DATABASE} owner ${OWNER}`);
  await withConnection(server.url(DATABASE, OWNER), async (client) => {
    await migrateClient(client);
    await client.query("insert into teams (id, name, slug) values (gen_random_uuid(), 'old', 'old')");
  });
  await server.stop();
}

describe("a backup of the embedded database", () => {
  it("is made while its server runs, and brings the database back, which is kept", async () => {
    await addTeam("before");
    const lock = await claimDataDirectory(dataDir, "control plane");
    await withDatabase(async () => {
      expect(await backUp(task(), file, { force: false })).toMatchObject({ left_out: [] });
      const message = expect.stringContaining("stop it first");
      await expect(restore(task(), file)).rejects.toMatchObject({ code: "conflict", message });
    });
    lock.release();
    await addTeam("later");
    const done = await restore(task(), file);
    expect(done.kept).toBe(join(dataDir, "database", "cluster.before-restore"));
    expect(await teams()).toEqual(["before"]);
    expect(await kept()).toEqual(["cluster", "cluster.before-restore"]);
    // As it was, should it be wanted again.
    await rm(join(dataDir, "database", "cluster"), { recursive: true });
    await rename(done.kept!, join(dataDir, "database", "cluster"));
    expect(await teams()).toEqual(["before", "later"]);
  });

  it("is made while none runs, and goes to another machine and to a server of one's own", async () => {
    await addTeam("moved");
    await backUp(task(), file, { force: false });
    await rm(dataDir, { recursive: true });
    expect((await restore(task(), file)).kept).toBe(null);
    expect(await teams()).toEqual(["moved"]);
    const { config, remove } = await createDatabase();
    await withConnection(config.databaseUrl, emptySchema);
    await restore(task({ databaseUrl: config.databaseUrl }), file);
    const found = await withConnection(config.databaseUrl, (client) => client.query("select name from teams"));
    expect(found.rows).toEqual([{ name: "moved" }]);
    const again = restore(task({ databaseUrl: config.databaseUrl }), file);
    await expect(again).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("not empty") });
    await remove();
  });

  it("that is killed leaves nothing, and of two to the same file one is made", async () => {
    await addTeam("mine");
    await runAndKill(["backup", file], "backing up");
    expect(await readdir(home)).toEqual(["data"]);
    const lock = await claimDataDirectory(dataDir, "control plane");
    const made = await withDatabase(() => {
      const both = [1, 2].map(() => backUp(task(), file, { force: false }));
      return Promise.allSettled(both);
    });
    await lock.release();
    expect(made.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(made.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "already_exists" } });
    expect(await readdir(home)).toEqual(["backup", "data"]);
  });

  it("that is damaged changes nothing", async () => {
    await addTeam("mine");
    await backUp(task(), file, { force: false });
    const before = await kept();
    await writeFile(file, "no backup");
    await expect(restore(task(), file)).rejects.toMatchObject({ code: "invalid_request" });
    await expect(restore(task(), dataDir)).rejects.toMatchObject({ code: "invalid_request" });
    await expect(restore(task(), join(home, "none"))).rejects.toMatchObject({ code: "invalid_request" });
    expect(await kept()).toEqual(before);
    expect(await teams()).toEqual(["mine"]);
  });

  it("whose restore is ended on the way changes nothing", async () => {
    await addTeam("mine");
    await backUp(task(), file, { force: false });
    await addTeam("later");
    const ending = new AbortController();
    const progress = (step: string) => {
      if (step.startsWith("restoring")) ending.abort(new Error("ended"));
    };
    await expect(restore(task({ progress, signal: ending.signal }), file)).rejects.toThrow("ended");
    expect(await kept()).toEqual(["cluster"]);
    expect(await teams()).toEqual(["later", "mine"]);
  });

  it("of a place without a database is refused, and leaves nothing there", async () => {
    await expect(backUp(task(), file, { force: false })).rejects.toMatchObject({ code: "not_found" });
    expect(await readdir(dataDir)).toEqual([]);
    expect(await readdir(home)).toEqual(["data"]);
  });

  it("tells that the key of its secrets is not there", async () => {
    await addTeam("sealed");
    await withDatabase((db) => db.insertInto("secret_keys").values({ id: "0123456789abcdef" }).execute());
    await backUp(task(), file, { force: false });
    expect(await restore(task(), file)).toMatchObject({ secret_key_missing_in: join(dataDir, "secret.key") });
  });

  it("is restored or not when the restore is killed, at whatever moment", async () => {
    await addTeam("backed up");
    await backUp(task(), file, { force: false });
    await addTeam("later");
    for (const step of ["preparing", "restoring"]) {
      await runAndKill(["restore", file], step);
      expect(await teams()).toEqual(["backed up", "later"]);
      // What it left is gone.
      expect(await kept()).toEqual(["cluster"]);
    }
    await runAndKill(["restore", file], "putting it in place");
    // The one or the other.
    expect([["backed up"], ["backed up", "later"]]).toContainEqual(await teams());
    expect((await kept()).filter((name) => name !== "cluster.before-restore")).toEqual(["cluster"]);
  });
});

describe("an upgrade of the embedded database", () => {
  it("brings one of an older PostgreSQL to the packaged one, once, and keeps it", async () => {
    await makeOldCluster();
    await expect(start()).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("upgrade") });
    const done = await upgradeDatabase(task());
    expect(done).toMatchObject({ from: 15, kept: join(dataDir, "database", "cluster.before-upgrade") });
    expect(await teams()).toEqual(["old"]);
    expect(await kept()).toEqual(["cluster", "cluster.before-upgrade"]);
    expect(await upgradeDatabase(task())).toMatchObject({ from: done.to, kept: null });
  });

  it("that is killed, at whatever moment, can be done again", async () => {
    await makeOldCluster();
    for (const step of ["upgrading", "putting it in place"]) await runAndKill(["upgrade-database"], step);
    await upgradeDatabase(task());
    expect(await teams()).toEqual(["old"]);
    expect(await kept()).toEqual(["cluster", "cluster.before-upgrade"]);
  });

  it.each([
    ["whose programs are nowhere", "9", "apt-get install postgresql-9"],
    ["that is newer", "99", "use the newer version"],
  ])("of one %s is refused and changes nothing", async (_what, major, message) => {
    const cluster = join(dataDir, "database", "cluster");
    await mkdir(cluster, { recursive: true });
    await writeFile(join(cluster, "PG_VERSION"), `${major}\n`);
    await expect(upgradeDatabase(task())).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining(message),
    });
    expect(await readdir(join(dataDir, "database"))).toEqual(["cluster"]);
    expect(await readdir(cluster)).toEqual(["PG_VERSION"]);
  });

  it("is refused, and changes nothing, where there is no space for a second database", async () => {
    await promisify(execFile)("mount", ["-t", "tmpfs", "-o", "size=130m,mode=0700", "warren-test", dataDir]);
    try {
      await makeOldCluster();
      await expect(upgradeDatabase(task())).rejects.toMatchObject({
        code: "host_disk_full",
        message: expect.stringMatching(/MiB free, and the upgrade needs \d+ MiB/),
      });
      expect(await kept()).toEqual(["cluster"]);
    } finally {
      await promisify(execFile)("umount", ["--lazy", dataDir]);
    }
  });

  it("has nothing to do where there is no database, and none on a server of one's own", async () => {
    expect(await upgradeDatabase(task())).toMatchObject({ from: null, kept: null });
    const refused = upgradeDatabase(task({ databaseUrl: "postgres://elsewhere/" }));
    await expect(refused).rejects.toMatchObject({ code: "invalid_request" });
  });
});

describe("a cluster that replaces another", () => {
  it.each<[string, string[], string[]]>([
    ["before the present one was renamed", ["cluster.restored", "cluster"], ["cluster", "cluster.before-restore"]],
    ["after it was", ["cluster.restored", "cluster.before-restore"], ["cluster", "cluster.before-restore"]],
    [
      "beside one kept earlier",
      ["cluster.upgraded", "cluster", "cluster.before-upgrade"],
      ["cluster", "cluster.before-upgrade"],
    ],
    ["while it was being made", ["new", "cluster"], ["cluster"]],
  ])("%s when the machine stopped is found by the next start", async (_when, names, expected) => {
    const directory = join(dataDir, "database");
    for (const name of names) {
      await mkdir(join(directory, name), { recursive: true });
      await writeFile(join(directory, name, "from"), name);
    }
    await settleReplacement(directory, LOG);
    expect(await kept()).toEqual(expected);
    const complete = names.find((name) => /restored|upgraded/.test(name)) ?? "cluster";
    expect(await readFile(join(directory, "cluster", "from"), "utf8")).toBe(complete);
    const before = expected[1];
    const origin = names.includes("cluster") ? "cluster" : before;
    if (before) expect(await readFile(join(directory, before, "from"), "utf8")).toBe(origin);
  });
});

/** Runs a task as a process and kills it as soon as it tells of a step. */
async function runAndKill(words: string[], step: string): Promise<void> {
  const child = spawn(process.execPath, [...NODE_FLAGS, MAIN, ...words], {
    cwd: dataDir,
    env: {
      PATH: process.env.PATH,
      WARREN_DATA_DIR: dataDir,
      WARREN_CACHE_DIR: inject("databases").cacheDir,
      WARREN_READY_FD: "3",
    },
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const exit = once(child, "exit");
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const { progress } = JSON.parse(line) as { progress?: { step: string } };
    if (progress?.step.startsWith(step)) child.kill("SIGKILL");
  }
  const [, signal] = await exit;
  expect(signal).toBe("SIGKILL");
}
