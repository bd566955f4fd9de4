import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { NewHost } from "@warren/contracts/rest/hosts";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { afterAll, beforeAll, expect, it } from "vitest";
import { PostgresServer } from "./database/testing/postgres-server.ts";
import { RedisServer } from "./host-registry/testing/redis-server.ts";
import { EventReader } from "./testing/event-reader.ts";
import { ExecSocket } from "./testing/exec-socket.ts";
import { type Person, startAdminStack } from "./testing/person.ts";
import { errorOf, type TestStack } from "./testing/test-stack.ts";

/** Milliseconds for which the database is away. */
const AWAY_MS = Number(process.env.WARREN_OUTAGE_SEC ?? 4) * 1000;
/** Patience with a service that comes back. */
const BACK = { timeout: 60_000 };
/** Patience with an end that was cut off: it is taken up after a quarter of a minute. */
const ENDED = { timeout: 150_000, interval: 500 };
const LIMIT_MS = 400_000 + AWAY_MS;

let directory: string;
let server: PostgresServer;
let redis: RedisServer;
let stack: TestStack;
let admin: Person;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-outage-"));
  await chmod(directory, 0o711);
  server = await PostgresServer.start(join(directory, "postgresql"));
  redis = await RedisServer.start();
  const dataDir = join(directory, "data");
  const config = { dataDir, cacheDir: join(dataDir, "cache"), ephemeral: false, databaseUrl: server.url("postgres") };
  ({ stack, admin } = await startAdminStack({ config }, { config: { redisUrl: redis.url } }));
});
afterAll(async () => {
  await stack?.close();
  await redis?.stop();
  await server?.close();
  await rm(directory, { recursive: true, force: true });
});

const status = async (id: string) => {
  const answer = await stack.call("GET", `/v1/sandboxes/${id}`);
  if (answer.ok) return ((await answer.json()) as Sandbox).status;
  return answer.status === 404 ? 404 : `${answer.status} ${await answer.text()}`;
};
const createHost = () => admin.call("POST", "/v1/hosts", { type: "regular" });

/** Clients that make and end sandboxes until they are told to stop; what was answered, and how. */
class Load {
  /**
   * Sandboxes that were promised, each with what became of its end: nobody asked for it, it was asked for and refused
   * (it may have begun), or it was promised.
   */
  readonly promised = new Map<string, "kept" | "refused" | "ended">();
  readonly statuses = new Set<number>();
  /** Longest wait for an answer, in milliseconds. */
  longestMs = 0;
  #stopped = false;
  readonly #clients: Promise<void>[];

  constructor(clients: number) {
    this.#clients = Array.from({ length: clients }, (_, index) => this.#run(index));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  async #run(index: number): Promise<void> {
    for (let turn = index; !this.#stopped; turn++) {
      const created = await this.#call("POST", "/v1/sandboxes", {});
      if (created.status === 201) {
        const { id } = (await created.json()) as Sandbox;
        this.promised.set(id, "kept");
        if (turn % 8) {
          const { status } = await this.#call("DELETE", `/v1/sandboxes/${id}`);
          this.promised.set(id, status === 204 ? "ended" : "refused");
        }
      }
      await this.#call("GET", "/v1/sandboxes");
      await delay(50);
    }
  }

  async #call(method: string, path: string, body?: object): Promise<Response> {
    const began = performance.now();
    const answer = await stack.call(method, path, body);
    this.longestMs = Math.max(this.longestMs, performance.now() - began);
    this.statuses.add(answer.status);
    if (answer.status === 503) expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    return answer;
  }
}

it(
  "PostgreSQL that is away under load costs answers of 503 and nothing that was promised, and no command; all is back by itself",
  async () => {
    const watched = await stack.createSandbox();
    const events = await EventReader.open(stack.url, { "x-api-key": stack.apiKey });
    const exec = await ExecSocket.open(stack, watched.id);
    exec.send({ type: "start", cmd: "sh", args: ["-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done"] });
    await exec.frame("start");
    const load = new Load(4);
    await expect.poll(() => load.promised.size, BACK).toBeGreaterThan(5);

    await server.stop();
    const lines = () => exec.text("stdout").trim().split("\n").length;
    const before = lines();
    await delay(AWAY_MS);
    // The command goes on, and so does its stream.
    expect(lines()).toBeGreaterThan(before + AWAY_MS / 1000);
    await expect.poll(() => load.statuses.has(503), BACK).toBe(true);
    const away = await stack.call("GET", "/v1/sandboxes");
    expect(Number(away.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await errorOf(away)).toMatchObject({ status: 503, code: "database_unavailable" });

    server = await PostgresServer.restart(join(directory, "postgresql"));
    const known = load.promised.size;
    await expect.poll(() => load.promised.size, BACK).toBeGreaterThan(known + 5);
    await load.stop();
    expect([...load.statuses].filter((code) => code >= 500 && code !== 503)).toEqual([]);
    const allowed = { kept: ["running"], refused: ["running", "stopped", 404], ended: ["stopped", 404] };
    // The host lives on, however long that takes.
    const settled = async (id: string) => ((await stack.host.membership.heartbeat()).ok ? status(id) : undefined);
    for (const [id, end] of load.promised) await expect.poll(() => settled(id), ENDED).toBeOneOf(allowed[end]);
    // The stream lost nothing and was never broken.
    const numbers = exec.text("stdout").trim().split("\n").map(Number);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    // Who watches hosts does so again, and who follows events is told.
    const ended = await stack.createSandbox();
    await expect.poll(() => stack.host.guests.has(ended.id)).toBe(true);
    stack.host.guest(ended.id).status = "stopped";
    await expect.poll(() => status(ended.id), BACK).toBe("stopped");
    await events.until(({ data }) => "status" in data && data.id === ended.id && data.status === "stopped");
    exec.socket.terminate();
    events.close();
  },
  LIMIT_MS,
);

it(
  "Redis that is away is missed by those alone who make hosts known, until it is back",
  async () => {
    await expect.poll(async () => (await createHost()).status, BACK).toBe(201);
    await redis.kill();
    const refused = await createHost();
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await errorOf(refused)).toMatchObject({ status: 503, code: "database_unavailable" });
    const hosts = await admin.get<NewHost["host"][]>("/v1/hosts");
    // A host that could not get its token is not left behind.
    expect(hosts.filter(({ status }) => status === "pending")).toHaveLength(1);
    expect(await status((await stack.createSandbox()).id)).toBe("running");
    expect((await stack.host.membership.heartbeat()).status).toBe(204);
    await redis.run();
    await expect.poll(async () => (await createHost()).status, BACK).toBe(201);
  },
  LIMIT_MS,
);
