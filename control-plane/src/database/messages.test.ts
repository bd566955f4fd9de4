import { EventEmitter, once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import pg from "pg";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { createLogger } from "../logging.ts";
import { type Database, openDatabase } from "./database.ts";
import { PostgresMessages } from "./messages.ts";
import { administer } from "./testing/postgres-server.ts";
import { createDatabase, type TestDatabase } from "./testing/test-database.ts";
import { isDatabaseAway } from "./unavailable.ts";

let fixture: TestDatabase;
let database: Database;
beforeAll(async () => {
  fixture = await createDatabase();
  database = await openDatabase(fixture.config, createLogger("silent"));
});
afterAll(async () => {
  await database?.close();
  await fixture?.remove();
});

/** Listens and notes what comes. */
async function listen(channel: string) {
  const heard: string[] = [];
  const events = new EventEmitter();
  const note = (what: string) => {
    heard.push(what);
    events.emit("heard");
  };
  const stop = await database.messages.listen(channel, { onMessage: note, onGap: () => note("(gap)") });
  /** Resolves with everything once there are so many. */
  const untilHeard = async (count: number) => {
    while (heard.length < count) await once(events, "heard");
    return heard;
  };
  return { heard, untilHeard, stop };
}

it("reaches all who listen on a channel, and nobody else", async () => {
  const [a, b, other] = [await listen("news"), await listen("news"), await listen("other")];
  await database.messages.publish("news", "one");
  await database.messages.publish("other", "two");
  await database.messages.publish("news", "it's \u00fcber");
  for (const listener of [a, b]) expect(await listener.untilHeard(2)).toEqual(["one", "it's \u00fcber"]);
  expect(await other.untilHeard(1)).toEqual(["two"]);
  await Promise.all([a.stop(), b.stop(), other.stop()]);
  await database.messages.publish("news", "nobody hears this");
  expect(a.heard).toHaveLength(2);
});

it("tells of a gap when the connection broke, and goes on", async () => {
  const listener = await listen("fragile");
  await administer(
    fixture.config.databaseUrl,
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'warren fragile' and datname = current_database()",
  );
  expect(await listener.untilHeard(1)).toEqual(["(gap)"]);
  await database.messages.publish("fragile", "after");
  expect(await listener.untilHeard(2)).toEqual(["(gap)", "after"]);
  await listener.stop();
});

/** What a server says when it has let somebody in, and when it listens (protocol-message-formats in PostgreSQL's documentation). */
const LET_IN = Buffer.from("5200000008000000005a0000000549", "hex");
const LISTENS = Buffer.from("430000000b4c495354454e005a0000000549", "hex");

/** Connections to a server that gives these answers on each, one after the other, and is silent from then on. */
async function silentServer(answers: readonly Buffer[]) {
  const connections = new EventEmitter<{ connection: [Socket]; asked: [] }>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const left = [...answers];
    socket.on("error", () => undefined);
    socket.on("data", () => {
      socket.write(left.shift() ?? "");
      connections.emit("asked");
    });
    connections.emit("connection", socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `postgresql://somebody@127.0.0.1:${(server.address() as AddressInfo).port}/nothing`;
  const messages = (silenceMs: number) => new PostgresMessages(new pg.Pool(), url, createLogger("silent"), silenceMs);
  return { connections, messages };
}

const NOBODY = { onMessage: () => undefined, onGap: () => undefined };

it("waits only so long for a server that takes a connection and then falls silent", async () => {
  const { messages } = await silentServer([LET_IN]);
  const listening = messages(300).listen("news", NOBODY);
  await expect(listening.catch(isDatabaseAway)).resolves.toBe(true);
});

it("ends although the server takes no leave", async () => {
  const { messages } = await silentServer([LET_IN, LISTENS]);
  const stop = await messages(300).listen("news", NOBODY);
  await stop();
}, 20_000);

it("ends at once while it waits for a server that is silent, however long it would wait", async () => {
  const answers = [LET_IN, LISTENS];
  const { connections, messages } = await silentServer(answers);
  const first = once(connections, "connection");
  const stop = await messages(1_000_000).listen("news", NOBODY);
  const [socket] = await first;
  // The next connection is let in, and not told that it listens.
  answers.pop();
  const next = once(connections, "connection");
  (socket as Socket).destroy();
  await next;
  for (const _ of ["start", "listen"]) await once(connections, "asked");
  await stop();
}, 20_000);
