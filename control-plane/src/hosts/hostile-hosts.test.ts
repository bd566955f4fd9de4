import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { HostAgentService, SandboxStatus } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { TestStack } from "../testing/test-stack.ts";
import { MOST_MESSAGE_BYTES } from "./rpc-errors.ts";
import { insertHost } from "./testing/insert-host.ts";

/** Patience with rounds of the monitor, five seconds apart. */
const ROUNDS = { timeout: 60_000 };
const fixture = testDatabase();
let stack: TestStack;
let database: Database;
let db: pg.Pool;
const servers: Http2Server[] = [];
const streams = new Set<ServerHttp2Stream>();
beforeAll(async () => {
  stack = await TestStack.start(fixture());
  database = await openDatabase(fixture().config, createLogger("silent"));
  db = new pg.Pool({ connectionString: fixture().config.databaseUrl });
});
afterAll(async () => {
  for (const stream of streams) stream.destroy();
  await stack?.close();
  for (const server of servers) server.close();
  await db?.end();
  await database?.close();
});

/** Makes a host known that has registered, at whose address a server of a test listens. */
async function joinAs(server: Http2Server): Promise<string> {
  const path = join(stack.host.directory, `hostile-${servers.push(server)}.sock`);
  server.on("session", (session) => session.on("error", () => undefined));
  server.listen(path);
  await once(server, "listening");
  return insertHost(database.db, `unix:${path}`);
}

/** A host that answers each call by whatever a test does with the stream. */
function answering(answer: (stream: ServerHttp2Stream) => void): Http2Server {
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream) => {
    streams.add(stream);
    stream.on("error", () => undefined).on("close", () => streams.delete(stream));
    stream.respond({ ":status": 200, "content-type": "application/proto" });
    answer(stream);
  });
  return server;
}

const get = async (id: string) => (await (await stack.call("GET", `/v1/sandboxes/${id}`)).json()) as Sandbox;
/** Waits until the monitor has followed the good host, without a word of it. */
async function followed(): Promise<void> {
  const { id } = await stack.createSandbox();
  stack.host.guest(id).status = "stopped";
  await expect.poll(async () => (await get(id)).status, ROUNDS).toBe("stopped");
}

it("hosts that answer a byte a second, or nothing, delay no other, and are not online", async () => {
  const trickle = answering((stream) => {
    const timer = setInterval(() => stream.write("x"), 1000);
    stream.on("close", () => clearInterval(timer));
  });
  const ids = [await joinAs(trickle)];
  for (let count = 0; count < 80; count++) ids.push(await joinAs(answering(() => undefined)));
  await followed();
  await followed();
  const { rows } = await db.query("select distinct status from hosts where id = any($1)", [ids]);
  expect(rows).toEqual([{ status: "unreachable" }]);
  await db.query("delete from hosts where id = any($1)", [ids]);
}, 180_000);

it("an answer of a gigabyte is broken off where the longest answer ends", async () => {
  let most = 0;
  const id = await joinAs(
    answering((stream) => {
      const chunk = Buffer.alloc(1024 * 1024);
      let sent = 0;
      const more = () => {
        while (sent < 1024 * chunk.length) {
          sent += chunk.length;
          most = Math.max(most, sent);
          if (!stream.write(chunk)) return void stream.once("drain", more);
        }
        stream.end();
      };
      more();
    }),
  );
  await expect.poll(() => most, ROUNDS).toBeGreaterThan(0);
  await followed();
  await followed();
  // What is on the way in windows and buffers may be more than was taken.
  expect(most).toBeLessThan(2 * MOST_MESSAGE_BYTES);
  await db.query("delete from hosts where id = $1", [id]);
}, 180_000);

it("what a host says of another host's sandboxes changes nothing of them", async () => {
  const { id } = await stack.createSandbox();
  const before = await get(id);
  let lists = 0;
  const destroyed: string[] = [];
  const routes = connectNodeAdapter({
    routes: (router) =>
      router.service(HostAgentService, {
        listSandboxes: () => {
          lists++;
          const lie = { sandboxId: id, teamId: "another", spec: { timeoutSec: 7 }, diskBytes: 9n };
          return {
            sandboxes: [
              { ...lie, status: SandboxStatus.STOPPED },
              { sandboxId: "../\0", status: 77 as SandboxStatus },
            ],
          };
        },
        getHost: () => ({ arch: "x".repeat(100_000), cpuCores: 4_294_967_295, memoryMb: 4_294_967_295, version: "\0" }),
        destroySandbox: ({ sandboxId }) => {
          destroyed.push(sandboxId);
          return {};
        },
      }),
  });
  const liar = await joinAs(createServer(routes));
  await expect.poll(() => lists, ROUNDS).toBeGreaterThan(2);
  expect(await get(id)).toEqual(before);
  expect(stack.host.guests.has(id)).toBe(true);
  const { rows } = await db.query("select status, length(arch) as arch, cpu_cores from hosts where id = $1", [liar]);
  expect(rows).toEqual([{ status: "online", arch: 32, cpu_cores: 2_147_483_647 }]);
  await db.query("delete from hosts where id = $1", [liar]);
}, 180_000);
