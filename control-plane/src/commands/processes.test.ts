import { once } from "node:events";
import type { Process } from "@warren/contracts/rest/processes";
import { newSandboxId } from "@warren/server/sandbox-id";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

let database: TestDatabase;
let stack: TestStack;
let id: string;
beforeAll(async () => {
  database = await createDatabase();
  stack = await TestStack.start(database);
});
beforeEach(async () => {
  id = (await stack.createSandbox()).id;
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
});

const call = (method: string, path: string, body?: object) =>
  stack.call(method, `/v1/sandboxes/${id}${path}`, ...(body ? [body] : []));
const start = (request: object) => call("POST", "/exec", { background: true, ...request });
const sh = (script: string) => ({ cmd: "sh", args: ["-c", script] });
const list = async () => (await (await call("GET", "/processes")).json()) as Process[];
const named = async (process: string | number) =>
  (await (await call("GET", `/processes/${process}`)).json()) as Process;
const ended = (process: string | number) =>
  expect.poll(async () => (await named(process)).exit, { timeout: 60_000 }).toBeDefined();

describe("a command in the background", () => {
  it("is answered for at once, and is in the list until long after its end", async () => {
    const response = await start({ ...sh("echo out; echo err >&2; exit 3"), tag: "job", cwd: "/" });
    expect(response.status).toBe(202);
    const started = (await response.json()) as { pid: number };
    expect(started).toEqual({ pid: expect.any(Number), tag: "job" });
    expect(response.headers.get("location")).toBe(`/v1/sandboxes/${id}/processes/${started.pid}`);
    await ended("job");
    const job = {
      ...started,
      cmd: "sh",
      args: ["-c", "echo out; echo err >&2; exit 3"],
      cwd: "/",
      user: "user",
      started_at: expect.stringMatching(/^20.*Z$/),
      terminal: false,
      background: true,
      output_bytes: 8,
      output_from: 0,
      cpu_ms: 0,
      memory_bytes: 0,
      exit: { exit_code: 3, ended_at: expect.stringMatching(/^20.*Z$/) },
    };
    expect(await list()).toEqual([job]);
    expect(await named(started.pid)).toEqual(job);
  });

  it("is sent signals, and ended with all its processes", async () => {
    const { pid } = (await (await start(sh("trap 'exit 5' HUP; while :; do sleep 0.05; done"))).json()) as Process;
    expect((await named(pid)).exit).toBeUndefined();
    expect((await call("POST", `/processes/${pid}/signal`, { signal: "SIGHUP" })).status).toBe(204);
    await ended(pid);
    expect((await named(pid)).exit).toMatchObject({ exit_code: 5 });

    await start({ cmd: "sleep", args: ["1000"], tag: "server" });
    expect((await call("DELETE", "/processes/server")).status).toBe(204);
    await ended("server");
    expect((await named("server")).exit).toMatchObject({ exit_code: 143, signal: "SIGTERM" });
    for (const [method, path, body] of [
      ["DELETE", "/processes/server"],
      ["POST", "/processes/server/signal", { signal: "SIGINT" }],
    ] as const) {
      expect(await errorOf(await call(method, path, body))).toMatchObject({ status: 404, code: "process_not_found" });
    }
  });

  it("has a time limit, when one is asked for", async () => {
    const { pid } = (await (await start({ cmd: "sleep", args: ["1000"], timeout_sec: 1 })).json()) as Process;
    await ended(pid);
    expect((await named(pid)).exit).toMatchObject({ signal: "SIGTERM", timed_out: true });
  });

  it("has its tag for itself while it lives", async () => {
    await start({ cmd: "sleep", args: ["1000"], tag: "one" });
    expect(await errorOf(await start({ cmd: "true", tag: "one" }))).toMatchObject({
      status: 409,
      code: "already_exists",
    });
    await call("DELETE", "/processes/one");
    await ended("one");
    const { pid } = (await (await start({ cmd: "sleep", args: ["1000"], tag: "one" })).json()) as Process;
    expect((await named("one")).pid).toBe(pid);
    expect((await list()).map(({ tag }) => tag)).toEqual(["one", "one"]);
  });
});

it("a command that is waited for is listed while it runs, by its tag too", async () => {
  const client = new AbortController();
  const request = { cmd: "sleep", args: ["1000"], tag: "waited" };
  const waiting = stack.call("POST", `/v1/sandboxes/${id}/exec`, request, { signal: client.signal });
  await expect.poll(async () => (await list()).length, { timeout: 60_000 }).toBe(1);
  expect(await named("waited")).toMatchObject({ cmd: "sleep", args: ["1000"], background: false, tag: "waited" });
  client.abort();
  await expect(waiting).rejects.toThrow();
  await expect.poll(async () => (await list()).length, { timeout: 60_000 }).toBe(0);
});

it.each([
  [{ tag: "7" }, "body/tag must be 1 to 64 letters"],
  [{ tag: "a b" }, "body/tag must be 1 to 64 letters"],
  [{ stdin: "x" }, "body/background must be false, or stdin left out"],
  [{ background: false, terminal: { cols: 80, rows: 24 } }, "body/background must be true, or terminal left out"],
  [{ terminal: { cols: 0, rows: 24 } }, "body/terminal/cols must be >= 1"],
  [{ background: "yes" }, "body/background must be boolean"],
])("refuses %j", async (fields, message) => {
  const error = await errorOf(await start({ cmd: "true", ...fields }));
  expect(error).toMatchObject({ status: 400, code: "invalid_request" });
  expect(error.message).toContain(message);
  expect(await list()).toEqual([]);
});

it.each([
  ["GET", "/processes/0", undefined, 400, "invalid_request", "params/process must be a process id or a tag"],
  ["GET", "/processes/4000000", undefined, 404, "process_not_found", "has no command 4000000"],
  ["DELETE", "/processes/absent", undefined, 404, "process_not_found", "absent"],
  ["POST", "/processes/absent/signal", { signal: "SIGINT" }, 404, "process_not_found", "absent"],
  ["POST", "/processes/absent/signal", { signal: "INT" }, 400, "invalid_request", "body/signal must be one of SIGHUP"],
] as const)("%s %s is refused as %j", async (method, path, body, status, code, message) => {
  const error = await errorOf(await call(method, path, body));
  expect(error).toMatchObject({ status, code, message: expect.stringContaining(message) });
});

it("a sandbox that does not run has no commands to tell of", async () => {
  await call("POST", "/pause");
  for (const answer of [
    await call("GET", "/processes"),
    await start({ cmd: "true" }),
    await call("DELETE", "/processes/1"),
  ])
    expect(await errorOf(answer)).toMatchObject({ status: 409, code: "invalid_state" });
});

it("who looks at commands does not keep a sandbox in use, and resumes none", async () => {
  const activeAt = async (of: string) =>
    ((await (await stack.call("GET", `/v1/sandboxes/${of}`)).json()) as { last_active_at: string }).last_active_at;
  const { pid } = (await (await start({ cmd: "sleep", args: ["1000"] })).json()) as Process;
  const used = (await stack.createSandbox()).id;
  const exec = (of: string) => stack.call("POST", `/v1/sandboxes/${of}/exec`, { cmd: "true" });
  /** Times of use are written together: once that of another sandbox is there, so is that of this one. */
  const written = async () => {
    const before = await activeAt(used);
    expect((await exec(used)).status).toBe(200);
    await expect.poll(() => activeAt(used), { timeout: 60_000 }).not.toBe(before);
  };
  await written();
  const before = await activeAt(id);
  expect(await list()).toHaveLength(1);
  expect(await named(pid)).toMatchObject({ pid });
  await written();
  expect(await activeAt(id)).toBe(before);

  id = (await stack.createSandbox({ auto_resume: true })).id;
  await call("POST", "/pause");
  for (const path of ["/processes", "/processes/1"])
    expect(await errorOf(await call("GET", path))).toMatchObject({ status: 409, code: "invalid_state" });
  expect(await (await call("GET", "")).json()).toMatchObject({ status: "paused" });
});

describe("a WebSocket to the list of commands", () => {
  /** Opens one; what it is told is in `frames`. */
  async function watch(of: string, headers: Record<string, string> = { "x-api-key": stack.apiKey }) {
    const url = `${stack.url.replace("http", "ws")}/v1/sandboxes/${of}/processes`;
    const socket = new WebSocket(url, { headers, perMessageDeflate: false });
    const frames: { type: string; code?: string }[] = [];
    socket.on("message", (data) => frames.push(JSON.parse(String(data))));
    const closed = once(socket, "close") as Promise<[number, Buffer]>;
    await once(socket, "open");
    return { socket, frames, closed };
  }

  it("tells that the list is another, and why it ends", async () => {
    const { id } = await stack.createSandbox();
    const { frames, closed } = await watch(id);
    await expect.poll(() => frames.length, { timeout: 60_000 }).toBe(1);
    await stack.call("POST", `/v1/sandboxes/${id}/exec`, {
      cmd: "sleep",
      args: ["1000"],
      background: true,
      tag: "job",
    });
    await expect.poll(() => frames.length, { timeout: 60_000 }).toBe(2);
    await stack.call("DELETE", `/v1/sandboxes/${id}/processes/job`);
    await expect.poll(() => frames.length, { timeout: 60_000 }).toBe(3);
    expect(frames).toEqual(Array(3).fill({ type: "changed" }));
    await stack.call("POST", `/v1/sandboxes/${id}/pause`);
    const [status] = await closed;
    expect(frames.at(-1)).toMatchObject({ type: "error", code: "invalid_state" });
    expect(status).toBe(1008);
  });

  it("is of sandboxes that there are, and asks nothing of its client", async () => {
    const absent = await watch(newSandboxId());
    await absent.closed;
    expect(absent.frames).toEqual([{ type: "error", code: "not_found", data: expect.any(String) }]);
    const { id } = await stack.createSandbox();
    const talker = await watch(id);
    talker.socket.send("hello");
    expect((await talker.closed)[0]).toBe(1008);
  });
});
