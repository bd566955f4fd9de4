import { once } from "node:events";
import { mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import http from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { EventReader } from "../testing/event-reader.ts";
import { ExecSocket } from "../testing/exec-socket.ts";
import { LogLines } from "../testing/log-lines.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

const TOKEN = "a-token-of-at-least-16";

/** The value of the metric of a name and labels in a text, or undefined. */
function figure(text: string, name: string, labels: Record<string, string> = {}): number | undefined {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const line = text.split("\n").find((each) => {
    const [, found, given = ""] = /^([a-z_]+)(?:\{(.*)\})? /.exec(each) ?? [];
    return found === name && wanted.every((label) => given.split(",").includes(label));
  });
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(" ") + 1));
}

describe("metrics with a token", () => {
  const database = testDatabase();
  const log = new LogLines();
  let stack: TestStack;
  beforeAll(async () => {
    const options = { config: { metrics: { token: TOKEN } }, log: createLogger("info", log) };
    stack = await TestStack.start(database(), options);
  });
  afterAll(() => stack?.close());

  const ask = (token?: string) =>
    fetch(`${stack.url}/metrics`, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  const read = async () => (await ask(TOKEN)).text();

  it("are for those who show it", async () => {
    for (const answer of [await ask(), await ask("another-token-of-16"), await stack.call("GET", "/metrics")]) {
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      expect(await errorOf(answer)).toMatchObject({ status: 401, code: "unauthorized" });
    }
    const answer = await ask(TOKEN);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await answer.text()).toContain("# TYPE warren_control_plane_operation_duration_seconds histogram\n");
    const head = await fetch(`${stack.url}/metrics`, { method: "HEAD", headers: { authorization: `bearer ${TOKEN}` } });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect((await stack.call("POST", "/metrics")).status).toBe(405);
  });

  it("say how long operations and their steps took, and the log says it in one line each", async () => {
    const { id } = await stack.createSandbox();
    await stack.call("POST", `/v1/sandboxes/${id}/pause`);
    await stack.call("POST", `/v1/sandboxes/${id}/resume`);
    await stack.call("POST", `/v1/sandboxes/${id}/fork`, { count: 2 });
    await stack.call("POST", "/v1/snapshots", { sandbox_id: id, name: "made" });
    stack.host.onPause = () => {
      throw new Error("it fails");
    };
    await stack.call("POST", `/v1/sandboxes/${id}/pause`);
    stack.host.onPause = () => undefined;
    await stack.call("DELETE", `/v1/sandboxes/${id}`);
    const text = await read();
    for (const operation of ["create", "pause", "resume", "fork", "snapshot", "destroy"]) {
      const labels = { operation, outcome: "ok" };
      expect(figure(text, "warren_control_plane_operation_duration_seconds_count", labels), operation).toBe(1);
      const step = { operation, step: "host" };
      expect(figure(text, "warren_control_plane_operation_step_duration_seconds_sum", step), operation).toBeGreaterThan(
        0,
      );
    }
    const failed = { operation: "pause", outcome: "agent_error" };
    expect(figure(text, "warren_control_plane_operation_duration_seconds_count", failed)).toBe(1);

    const lines = log.lines.filter(({ msg, sandbox }) => msg === "operation" && sandbox === id);
    expect(lines.map(({ operation, outcome }) => [operation, outcome])).toEqual([
      ["create", "ok"],
      ["pause", "ok"],
      ["resume", "ok"],
      ["fork", "ok"],
      ["snapshot", "ok"],
      ["pause", "agent_error"],
      ["destroy", "ok"],
    ]);
    expect(lines[0]).toMatchObject({
      ms: expect.any(Number),
      steps: {
        admission: expect.any(Number),
        host: expect.any(Number),
        record: expect.any(Number),
      },
    });
  });

  it("count requests by the pattern of their route, whatever paths clients think of", async () => {
    const before = await read();
    const { id } = await stack.createSandbox();
    for (let time = 0; time < 3; time++) await stack.call("GET", `/v1/sandboxes/${id}`);
    await stack.call("GET", "/v1/sandboxes/sbaaaaaaaaaaaaaaaaaaaa");
    for (let path = 0; path < 3; path++) await fetch(`${stack.url}/nowhere/${path}`);
    const text = await read();
    const name = "warren_control_plane_http_request_duration_seconds_count";
    const grown = (labels: Record<string, string>) =>
      (figure(text, name, labels) ?? 0) - (figure(before, name, labels) ?? 0);
    const route = "/v1/sandboxes/:id";
    expect(grown({ method: "GET", route, status: "2xx" })).toBe(3);
    expect(grown({ method: "GET", route, status: "4xx" })).toBe(1);
    expect(grown({ method: "GET", route: "none", status: "4xx" })).toBe(3);
    expect(text).not.toContain("nowhere");
    expect(text).not.toContain(id);
    const errors = "warren_control_plane_http_errors_total";
    expect(figure(text, errors, { code: "not_found" })).toBeGreaterThan(0);
  });

  it("say what there is at the moment", async () => {
    const { id } = await stack.createSandbox();
    const socket = await ExecSocket.open(stack, id);
    socket.send({ type: "start", cmd: "cat", stdin: true });
    await socket.frame("start");
    const paused = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    stack.host.onPause = () => {
      begun.resolve();
      return paused.promise;
    };
    const pause = stack.call("POST", `/v1/sandboxes/${(await stack.createSandbox()).id}/pause`);
    await begun.promise;
    const streams = await Promise.all([1, 2].map(() => EventReader.open(stack.url, { "x-api-key": stack.apiKey })));
    const waits = join(stack.config.dataDir, "audit-outbox.jsonl");
    // Half of a line is what a process leaves that was killed.
    await writeFile(waits, `{"id":\n${JSON.stringify({ at: (Date.now() - 90_000) * 1000 })}\n`);
    const text = await read();
    await rm(waits);
    paused.resolve();
    expect((await pause).status).toBe(200);
    const value = (name: string, labels = {}) => figure(text, `warren_control_plane_${name}`, labels);
    expect(value("sandboxes", { status: "running" })).toBeGreaterThan(0);
    expect(value("hosts", { status: "online" })).toBe(1);
    expect(value("websockets_open")).toBe(1);
    expect(value("sandboxes", { status: "pausing" })).toBe(1);
    // The pause, and the streams, which have no end.
    expect(value("http_requests_open")).toBe(3);
    expect(value("event_streams_open")).toBe(2);
    expect(value("audit_outbox_bytes")).toBeGreaterThan(0);
    expect(value("audit_outbox_oldest_age_seconds")).toBeGreaterThanOrEqual(90);
    expect(value("audit_outbox_oldest_age_seconds")).toBeLessThan(190);
    expect(value("database_up")).toBe(1);
    expect(value("database_waiting")).toBe(0);
    expect(value("database_connections", { state: "idle" })).toBeGreaterThan(0);
    expect(value("host_visit_duration_seconds_count", { answered: "true" })).toBeGreaterThan(0);
    expect(value("info", { version: "0.1.0" })).toBe(1);
    expect(figure(text, "process_resident_memory_bytes")).toBeGreaterThan(0);
    socket.socket.close();
    await socket.closed;
    for (const stream of streams) stream.close();
    await expect.poll(async () => figure(await read(), "warren_control_plane_event_streams_open")).toBe(0);
    expect(figure(await read(), "warren_control_plane_audit_outbox_bytes")).toBe(0);
    expect(figure(await read(), "warren_control_plane_audit_outbox_oldest_age_seconds")).toBe(0);
  });
});

describe("metrics at an address of their own", () => {
  const database = testDatabase();
  const log = new LogLines();
  let stack: TestStack;
  let url: string;
  beforeAll(async () => {
    const metrics = { listen: { host: "127.0.0.1", port: 0 } };
    stack = await TestStack.start(database(), { config: { metrics }, log: createLogger("info", log) });
    url = log.lines.find(({ msg }) => msg === "metrics are served")?.url as string;
  });
  afterAll(() => stack?.close());

  it("are for whoever reaches it, and nothing else is there", async () => {
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining("warren_control_plane_info")]);
    expect(await errorOf(await fetch(new URL("/v1/sandboxes", url)))).toMatchObject({ status: 404 });
    expect(await errorOf(await fetch(url, { method: "POST", body: "x" }))).toMatchObject({ status: 405 });
  });

  it("are not at that of the server", async () => {
    expect(await errorOf(await fetch(`${stack.url}/metrics`))).toMatchObject({ status: 404, code: "not_found" });
  });
});

describe("metrics at a socket", () => {
  const database = testDatabase();
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "warren-metrics-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it("ask for the token there too, when there is one", async () => {
    const path = join(directory, "metrics.sock");
    const config = { metrics: { token: TOKEN, listen: { path } } };
    const stack = await TestStack.start(database(), { config });
    const status = (headers: Record<string, string>) =>
      new Promise((resolve) => {
        http.get({ socketPath: path, path: "/metrics", headers }, (answer) => resolve(answer.resume().statusCode));
      });
    expect(await status({})).toBe(401);
    expect(await status({ authorization: `Bearer ${TOKEN}` })).toBe(200);
    expect((await stat(path)).mode & 0o077).toBe(0);
    await stack.close();
  });

  it("take the place of a socket that was left, and of nothing else", async () => {
    const path = join(directory, "left.sock");
    const config = { metrics: { listen: { path } } };
    const former = createServer().listen(path);
    await once(former, "listening");
    const inUse = { code: "conflict", message: expect.stringContaining("WARREN_METRICS_LISTEN") };
    await expect(TestStack.start(database(), { config })).rejects.toMatchObject(inUse);
    // As a server that is killed leaves it.
    await rename(path, `${path}.kept`);
    former.close();
    await rename(`${path}.kept`, path);
    const stack = await TestStack.start(database(), { config });
    await stack.close();
    await writeFile(path, "a file");
    await expect(TestStack.start(database(), { config })).rejects.toMatchObject(inUse);
    expect(await readFile(path, "utf8")).toBe("a file");
  });
});
