import { execFile } from "node:child_process";
import { chmod, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLogger } from "../logging.ts";
import { expectStatus, Person, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { openDatabase } from "./database.ts";
import { PostgresServer } from "./testing/postgres-server.ts";

/** A PostgreSQL of the operator's own: Debian's, which is the oldest that Warren promises to work with. */
let directory: string;
let server: PostgresServer;
let stack: TestStack;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-own-server-"));
  await chmod(directory, 0o711);
  server = await PostgresServer.start(join(directory, "postgresql"));
  const dataDir = join(directory, "data");
  const config = { dataDir, cacheDir: join(dataDir, "cache"), ephemeral: false, databaseUrl: server.url("postgres") };
  stack = await startAccountStack({ config });
});
afterAll(async () => {
  await stack?.close();
  await server?.close();
  await rm(directory, { recursive: true, force: true });
});

/** Gives a sandbox other metadata in the transaction with an id, or the next one; gives the id of the transaction. */
async function rewrite(id: string, value: string, transaction = 0): Promise<number> {
  const client = new pg.Client({ connectionString: server.url("postgres") });
  await client.connect();
  try {
    const next = async () => Number((await client.query("select pg_current_xact_id() as id")).rows[0].id);
    while ((await next()) < transaction - 1);
    const metadata = { value };
    const { rows } = await client.query("update sandboxes set metadata = $2 where id = $1 returning xmin", [
      id,
      metadata,
    ]);
    return Number(rows[0].xmin);
  } finally {
    await client.end();
  }
}

it("gets the same schema, and keeps accounts, teams, keys, sandboxes and templates", async () => {
  const person = await Person.signUp(stack);
  await person.addMember(await Person.signUp(stack));
  const { key } = await person.createApiKey();
  const headers = { "x-api-key": key };
  const created = await stack.call("POST", "/v1/sandboxes", { name: "own", metadata: { a: "b" } }, { headers });
  expect(created.status).toBe(201);
  const { id } = (await created.json()) as { id: string };
  for (const action of ["pause", "resume", "ping"]) {
    const answer = await stack.call("POST", `/v1/sandboxes/${id}/${action}`, undefined, { headers });
    expect([action, answer.ok]).toEqual([action, true]);
  }
  const template = await stack.call("POST", "/v1/snapshots", { sandbox_id: id, name: "kept" }, { headers });
  expect(template.ok).toBe(true);
  const list = await stack.call("GET", "/v1/sandboxes?name=own", undefined, { headers });
  expect(await list.json()).toMatchObject([{ id, name: "own" }]);
  await expectStatus(await person.call("GET", `/v1/teams/${person.teamId}/quota`), 200);
  // A second control plane finds the schema there.
  await (await openDatabase({ databaseUrl: server.url("postgres") }, createLogger("silent"))).close();
});

it("is answered for with 503 while it is away, and goes on when it is back", async () => {
  const { id } = await stack.createSandbox();
  await server.stop();
  const away = await errorOf(await stack.call("GET", `/v1/sandboxes/${id}`));
  expect(away).toMatchObject({ status: 503, code: "database_unavailable" });
  server = await PostgresServer.restart(join(directory, "postgresql"));
  await expect.poll(async () => (await stack.call("GET", `/v1/sandboxes/${id}`)).status).toBe(200);
});

it("that has lost its last commits, as a standby may that takes over, is believed, whatever was read before", async () => {
  const { id } = await stack.createSandbox({ metadata: { value: "kept" } });
  const value = async () => {
    const answer = await stack.call("GET", `/v1/sandboxes/${id}`);
    return answer.ok ? ((await answer.json()) as { metadata: { value: string } }).metadata.value : answer.status;
  };
  const [cluster, standby] = [join(directory, "postgresql"), join(directory, "standby")];
  await server.stop();
  await promisify(execFile)("cp", ["--archive", cluster, standby]);
  server = await PostgresServer.restart(cluster);
  const lost = await rewrite(id, "lost");
  await expect.poll(value).toBe("lost");
  await server.stop();
  await rm(cluster, { recursive: true });
  await rename(standby, cluster);
  server = await PostgresServer.restart(cluster);
  // The next transaction gets the id of the lost one.
  await rewrite(id, "new", lost);
  await expect.poll(value).toBe("new");
});

it.each([
  ["is not there", () => "postgresql:///postgres?user=postgres&host=/nowhere", "ENOENT"],
  ["knows no such database", () => server.url("nobody"), '"nobody" does not exist'],
  ["may only be read", () => `${server.url("postgres")}&options=-c%20default_transaction_read_only%3Don`, "read-only"],
])("one that %s is named as the reason why Warren does not start", async (_, url, reason) => {
  const message = expect.stringMatching(
    new RegExp(`^the database that DATABASE_URL names cannot be used: .*${reason}`),
  );
  const opened = openDatabase({ databaseUrl: url() }, createLogger("silent"));
  await expect(opened).rejects.toMatchObject({ code: "database_unavailable", message });
});
