import { createHash, randomBytes } from "node:crypto";
import { LIMITS } from "@warren/contracts/limits";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { ExecSocket } from "../testing/exec-socket.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

let database: TestDatabase;
let stack: TestStack;
let id: string;
beforeAll(async () => {
  database = await createDatabase();
  stack = await TestStack.start(database, { config: { allowedOrigins: ["https://dashboard.test"] } });
  id = (await stack.createSandbox()).id;
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
});

const open = (options?: Parameters<typeof ExecSocket.open>[2]) => ExecSocket.open(stack, id, options);
const sh = (script: string) => ({ type: "start", cmd: "sh", args: ["-c", script] });
const running = () => stack.host.guest(id).processes.size;

describe.each([{ binary: false }, { binary: true }])("with binary = $binary", (options) => {
  it("streams output and ends with the exit status", async () => {
    const client = await open(options);
    client.send(sh("printf 'grüße'; printf oops >&2; exit 7"));
    expect((await client.frame("start")).pid).toBeGreaterThan(0);
    expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 7 });
    expect(await client.closed).toMatchObject({ code: 1000 });
    expect([client.text("stdout"), client.text("stderr")]).toEqual(["grüße", "oops"]);
  });

  it("passes bytes through unchanged", async () => {
    const bytes = randomBytes(3_000_000);
    const client = await open(options);
    client.send({ type: "start", cmd: "cat", stdin: true });
    if (options.binary) client.socket.send(Buffer.concat([Buffer.from([1]), bytes.subarray(0, 1_000_000)]));
    else client.send({ type: "stdin", data: bytes.subarray(0, 1_000_000).toString("base64"), encoding: "base64" });
    for (let offset = 1_000_000; offset < bytes.length; offset += 500_000) {
      const chunk = bytes.subarray(offset, offset + 500_000);
      client.send({ type: "stdin", data: chunk.toString("base64"), encoding: "base64" });
    }
    client.send({ type: "close_stdin" });
    expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 0 });
    const digest = (content: Buffer) => createHash("sha256").update(content).digest("hex");
    expect(digest(Buffer.concat(client.output.stdout))).toBe(digest(bytes));
  });
});

it("shows output while the command runs, and takes input while it runs", async () => {
  const client = await open();
  client.send({ ...sh("read line; echo got $line"), stdin: true, env: { A: "b" } });
  await client.frame("start");
  client.send({ type: "stdin", data: "wörld\n" });
  expect(await client.frame("stdout")).toEqual({ type: "stdout", data: "got wörld\n" });
  expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 0 });
});

it("gives the command an empty standard input unless input was announced", async () => {
  const client = await open();
  client.send({ type: "start", cmd: "cat" });
  expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 0 });
});

it("sends signals", async () => {
  const client = await open();
  client.send(sh("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done"));
  await client.frame("stdout");
  client.send({ type: "signal", signal: "SIGTERM" });
  expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 5 });
  expect(client.text("stdout")).toBe("ready\nbye\n");
});

it("takes the names of signals as kill(1) does", async () => {
  const client = await open();
  client.send({ type: "start", cmd: "sleep", args: ["1000"] });
  await client.frame("start");
  client.send({ type: "signal", signal: "int" });
  expect(await client.frame("exit")).toMatchObject({ exit_code: 130, signal: "SIGINT" });
});

it.each([
  ["a signal that there is not", { type: "signal", signal: "SIGFOO" }, "frame/signal must be one of SIGHUP, SIGINT"],
  ["a signal that has no name here", { type: "signal", signal: "SIGRTMIN+3" }, "frame/signal must be one of"],
  ["a time limit that cannot be", { type: "timeout", timeout_sec: -1 }, "frame/timeout_sec must be >= 0"],
  ["the size of no terminal", { type: "resize", cols: 80, rows: 24 }, "the command has no terminal to resize"],
])("refuses %s, and the command goes on", async (_name, frame, text) => {
  const client = await open();
  client.send({ ...sh("read line; echo got $line"), stdin: true });
  await client.frame("start");
  client.send(frame);
  const refused = await client.frame("refused");
  expect(refused).toEqual({ type: "refused", code: "invalid_request", data: expect.stringContaining(text) });
  client.send({ type: "stdin", data: "on\n" });
  expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 0 });
  expect(client.text("stdout")).toBe("got on\n");
});

it("sends the signal of ^C", async () => {
  const client = await open();
  client.send({ type: "start", cmd: "sleep", args: ["1000"] });
  await client.frame("start");
  client.send({ type: "signal", signal: "SIGINT" });
  expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 130, signal: "SIGINT" });
});

it("sends no more output than a client that asks for that can take, and goes on as it takes some", async () => {
  const client = await open({ binary: true });
  const window = 64 * 1024;
  client.send({ ...sh("head -c 3000000 /dev/zero; echo done"), output_window: window });
  const taken = () => client.output.stdout.reduce((sum, { length }) => sum + length, 0);
  await expect.poll(taken).toBeGreaterThanOrEqual(window);
  const ahead = taken();
  // What was under way with the piece that filled the window, and no more.
  client.send({ type: "output_taken", bytes: ahead + 3_000_000 });
  expect((await client.frame("refused")).data).toContain("frame/bytes must be at most what has been sent");
  expect(taken()).toBe(ahead);
  let told = 0;
  while (taken() < 3_000_005) {
    await expect.poll(taken).toBeGreaterThan(told);
    const now = taken();
    client.send({ type: "output_taken", bytes: now - told });
    told = now;
  }
  expect(await client.frame("exit")).toMatchObject({ exit_code: 0 });
  expect(taken()).toBe(3_000_005);
});

it("takes word of what was used only from clients that have asked for a window", async () => {
  const client = await open();
  client.send({ ...sh("read line; echo got $line"), stdin: true });
  await client.frame("start");
  client.send({ type: "output_taken", bytes: 1 });
  expect((await client.frame("refused")).data).toContain("needs an output_window");
  client.send({ type: "stdin", data: "on\n" });
  expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 0 });
});

it("lets a signal overtake input that the command does not read", async () => {
  const client = await open();
  client.send({ type: "start", cmd: "sleep", args: ["1000"], stdin: true });
  await client.frame("start");
  // Each of more than a pipe holds.
  for (let piece = 0; piece < 2; piece++) client.send({ type: "stdin", data: "x".repeat(LIMITS.stdinAheadBytes / 2) });
  client.send({ type: "signal", signal: "SIGTERM" });
  expect(await client.frame("exit")).toMatchObject({ exit_code: 143 });
});

it("ends a command at its time limit", async () => {
  const client = await open();
  client.send({ type: "start", cmd: "sleep", args: ["1000"], timeout_sec: 1 });
  expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 143, signal: "SIGTERM", timed_out: true });
});

it("changes the time limit of a command that runs", async () => {
  const client = await open();
  client.send({ type: "start", cmd: "sleep", args: ["1000"], timeout_sec: 3600 });
  await client.frame("start");
  client.send({ type: "timeout", timeout_sec: 1 });
  expect(await client.frame("exit")).toMatchObject({ exit_code: 143, timed_out: true });
});

describe("a command does not outlive its connection", () => {
  it.each([
    ["a stop frame", (client: ExecSocket) => client.send({ type: "stop" })],
    ["a closing handshake", (client: ExecSocket) => client.socket.close()],
    ["a lost connection", (client: ExecSocket) => client.socket.terminate()],
  ])("after %s", async (_name, end) => {
    const client = await open();
    client.send({ type: "start", cmd: "sleep", args: ["1000"] });
    await client.frame("start");
    expect(running()).toBe(1);
    end(client);
    await client.closed;
    await expect.poll(running).toBe(0);
  });
});

describe("a client that breaks the protocol is told and cut off", () => {
  it.each([
    ["not json", "a text message must be a JSON object"],
    ["[]", "frame/type must be one of start, attach, stdin, close_stdin, signal, timeout, resize, output_taken, stop"],
    ["null", "frame/type must be one of"],
    ['{"type":"toString"}', "frame/type must be one of"],
    ['{"type":"start"}', "frame/cmd is required"],
    ['{"type":"start","cmd":"a","args":[1]}', "frame/args/0 must be string"],
    ['{"type":"start","cmd":"a","shell":true}', "frame/shell is not a known field"],
    ['{"type":"stdin","data":"x"}', "a stdin frame must follow a start or attach frame"],
    ['{"type":"signal","signal":"SIGNONE"}', "frame/signal must be one of SIGHUP, SIGINT"],
  ])("that begins with %s", async (message, text) => {
    const client = await open();
    client.socket.send(message);
    const error = await client.frame("error");
    expect(error.code).toBe("invalid_request");
    expect(error.data).toContain(text);
    expect(await client.closed).toMatchObject({ code: 1008 });
  });

  it.each([
    ["a second start", { type: "start", cmd: "true" }, "the command has been started already"],
    ["input that was not announced", { type: "stdin", data: "x" }, 'input needs "stdin":true in the start frame'],
  ])("that sends %s", async (_name, frame, text) => {
    const client = await open();
    client.send({ type: "start", cmd: "sleep", args: ["1000"] });
    await client.frame("start");
    client.send(frame);
    expect(await client.frame("error")).toEqual({ type: "error", code: "invalid_request", data: text });
    await client.closed;
    await expect.poll(running).toBe(0);
  });

  it("that sends a message that is too large", async () => {
    const client = await open();
    client.socket.send(`{"type":"start","cmd":"${"x".repeat(3 * 1024 * 1024)}"}`);
    expect(await client.closed).toMatchObject({ code: 1009 });
  });

  it("that sends binary messages without the subprotocol", async () => {
    const client = await open();
    client.socket.send(Buffer.from([1, 2, 3]));
    expect((await client.frame("error")).data).toContain("warren.exec.v1");
  });
});

it("says why a command cannot run", async () => {
  const other = await stack.createSandbox();
  await stack.call("DELETE", `/v1/sandboxes/${other.id}`);
  const client = await ExecSocket.open(stack, other.id);
  client.send({ type: "start", cmd: "true" });
  expect(await client.frame("error")).toMatchObject({ code: "invalid_state" });
  await client.closed;

  const missing = await open();
  missing.send({ type: "start", cmd: "no-such-command" });
  expect(await missing.frame("exit")).toEqual({ type: "exit", exit_code: 127 });
  expect(missing.text("stderr")).toContain("no-such-command");
});

it("says that the host is away when it leaves in the middle", async () => {
  const client = await open();
  client.send(sh("echo started; exec sleep 1000"));
  await client.frame("stdout");
  await stack.host.hangUp();
  expect(await client.frame("error")).toMatchObject({ code: "host_unavailable" });
  expect(await client.closed).toMatchObject({ code: 1011 });
  await stack.host.listen();
  const again = await open();
  again.send({ type: "start", cmd: "true" });
  expect(await again.frame("exit")).toEqual({ type: "exit", exit_code: 0 });
});

describe("the upgrade", () => {
  const statusOf = async (headers: Record<string, string>, sandbox = id) => {
    try {
      const client = await ExecSocket.open(stack, sandbox, { headers });
      client.socket.terminate();
      return 101;
    } catch (error) {
      return (error as Error).message;
    }
  };

  it("is refused without a key, for a bad id and from foreign pages", async () => {
    expect(await statusOf({ "x-api-key": "nope" })).toContain("401");
    expect(await statusOf({}, "nope")).toContain("404");
    expect(await statusOf({ origin: "https://evil.test" })).toContain("403");
    expect(await statusOf({ origin: "null" })).toContain("403");
  });

  it("is open to the server's own pages and to those of allowed origins", async () => {
    expect(await statusOf({ origin: stack.url })).toBe(101);
    expect(await statusOf({ origin: "https://dashboard.test" })).toBe(101);
  });

  it("is what a plain request to the route needs", async () => {
    const response = await stack.call("GET", `/v1/sandboxes/${id}/exec/stream`);
    expect(await errorOf(response)).toMatchObject({ status: 426, code: "upgrade_required" });
  });
});

it("tells clients that the server ends, and leaves no command behind", async () => {
  const ownDatabase = await createDatabase();
  const own = await TestStack.start(ownDatabase);
  try {
    const sandbox = await own.createSandbox();
    const client = await ExecSocket.open(own, sandbox.id);
    client.send({ type: "start", cmd: "sleep", args: ["1000"] });
    await client.frame("start");
    const [closed] = await Promise.all([client.closed, own.controlPlane.close()]);
    expect(closed.code).toBe(1001);
    await expect.poll(() => own.host.guest(sandbox.id).processes.size).toBe(0);
  } finally {
    await own.close();
    await ownDatabase.remove();
  }
});

describe("what is under way stays bounded", { timeout: 300_000 }, () => {
  const MEBIBYTE = 1024 * 1024;
  const TOTAL = 128 * MEBIBYTE;
  /** Bytes that sockets, windows and queues on the way may hold together. */
  const BOUND = 48 * MEBIBYTE;
  const CHUNK = Buffer.alloc(256 * 1024 + 1, 1);

  it("when a client reads its output slowly", async () => {
    const client = await open({ binary: true });
    const streamed = stack.host.guest(id).streamed;
    streamed.output = 0;
    let received = 0;
    let mostUnderWay = 0;
    client.socket.removeAllListeners("message");
    client.send({ type: "start", cmd: "head", args: ["-c", String(TOTAL), "/dev/zero"] });
    for await (const [data, isBinary] of messages(client)) {
      if (!isBinary) {
        if (JSON.parse(data.toString("utf8")).type === "exit") break;
        continue;
      }
      received += data.length - 1;
      mostUnderWay = Math.max(mostUnderWay, streamed.output - received);
      if (received % (16 * MEBIBYTE) < data.length) {
        // A reader that stands still: everything behind it must wait.
        client.socket.pause();
        setTimeout(() => client.socket.resume(), 100);
      }
    }
    expect(received).toBe(TOTAL);
    expect(mostUnderWay).toBeLessThan(BOUND);
  });

  it("when a command reads its input late", async () => {
    const client = await open({ binary: true });
    const streamed = stack.host.guest(id).streamed;
    streamed.input = 0;
    let mostUnderWay = 0;
    client.send({ ...sh("sleep 1; wc -c"), stdin: true });
    await client.frame("start");
    for (let sent = 0; sent < TOTAL; sent += CHUNK.length - 1) {
      await new Promise((resolve) => client.socket.send(CHUNK, resolve));
      mostUnderWay = Math.max(mostUnderWay, sent - streamed.input);
    }
    client.send({ type: "close_stdin" });
    expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 0 });
    expect(client.text("stdout").trim()).toBe(String(TOTAL));
    expect(mostUnderWay).toBeLessThan(BOUND);
  });

  it("when a command never reads its input, and its client is noticed to leave", async () => {
    const client = await open({ binary: true });
    client.send({ type: "start", cmd: "sleep", args: ["1000"], stdin: true });
    await client.frame("start");
    let accepted = 0;
    for (let sent = 0; sent < TOTAL; sent += CHUNK.length) client.socket.send(CHUNK, () => (accepted += CHUNK.length));
    await expect.poll(() => accepted).toBeGreaterThan(MEBIBYTE);
    client.socket.terminate();
    expect(accepted).toBeLessThan(BOUND);
    await expect.poll(running, { timeout: 120_000 }).toBe(0);
  });
});

/** Messages of a client as they come. */
async function* messages(client: ExecSocket): AsyncIterable<[Buffer, boolean]> {
  const queue: [Buffer, boolean][] = [];
  let wake = () => {};
  client.socket.on("message", (data: Buffer, isBinary: boolean) => {
    queue.push([data, isBinary]);
    wake();
  });
  for (;;) {
    const next = queue.shift();
    if (next) yield next;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}
