import { once } from "node:events";
import { LIMITS } from "@warren/contracts/limits";
import type { Process, StartedProcess } from "@warren/contracts/rest/processes";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { ExecSocket } from "../testing/exec-socket.ts";
import { TestStack } from "../testing/test-stack.ts";

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

const open = (options?: Parameters<typeof ExecSocket.open>[2]) => ExecSocket.open(stack, id, options);
const sh = (script: string) => ({ cmd: "sh", args: ["-c", script] });
/** A shell that says each line that it is told, until it is told to end. */
const ECHO = sh('while read line; do [ "$line" = end ] && exit 4; echo "got $line"; done');
const named = async (process: string | number) =>
  (await (await stack.call("GET", `/v1/sandboxes/${id}/processes/${process}`)).json()) as Process;
const isOver = async (process: string | number) => (await named(process)).exit !== undefined;
const untilOver = (process: string | number) => expect.poll(() => isOver(process), { timeout: 60_000 }).toBe(true);

/** Starts a command over the route that does not stream. */
async function start(request: object): Promise<number> {
  const response = await stack.call("POST", `/v1/sandboxes/${id}/exec`, { background: true, ...request });
  expect(response.status).toBe(202);
  return ((await response.json()) as StartedProcess).pid;
}

/** Joins a command. */
async function attach(process: string | number, fields: object = {}, options?: Parameters<typeof open>[0]) {
  const client = await open(options);
  client.send({ type: "attach", process: String(process), ...fields });
  return client;
}

/** Waits until a client has got so much. */
const untilGot = (client: ExecSocket, text: string) =>
  expect.poll(() => client.text("stdout"), { timeout: 60_000 }).toContain(text);

describe.each([{ binary: false }, { binary: true }])("with binary = $binary", (options) => {
  it("a client that leaves and comes back gets what it missed, once, and then the end", async () => {
    const first = await open(options);
    first.send({ type: "start", ...ECHO, stdin: true, background: true, tag: "echo" });
    const { pid } = await first.frame("start");
    expect(await first.frame("start")).toEqual({ type: "start", pid, tag: "echo", offset: 0 });
    first.send({ type: "stdin", data: "one\n" });
    await untilGot(first, "got one\n");
    first.socket.terminate();
    await first.closed;

    const second = await attach("echo", { from: first.text("stdout").length }, options);
    expect(await second.frame("start")).toEqual({ type: "start", pid, tag: "echo", offset: 8 });
    second.send({ type: "stdin", data: "two\n" });
    await untilGot(second, "got two\n");
    second.socket.terminate();
    await second.closed;

    const third = await attach(pid, { from: 0 }, options);
    third.send({ type: "stdin", data: "end\n" });
    expect(await third.frame("exit")).toEqual({ type: "exit", exit_code: 4 });
    expect(await third.closed).toMatchObject({ code: 1000 });
    expect([first, second, third].map((client) => client.text("stdout"))).toEqual([
      "got one\n",
      "got two\n",
      "got one\ngot two\n",
    ]);
  });

  it("the end of a command is told to those who come after it, with what is kept of its output", async () => {
    const pid = await start(sh("printf 'grüße'; printf oops >&2; exit 7"));
    await untilOver(pid);
    const late = await attach(pid, { from: 0 }, options);
    expect(await late.frame("exit")).toEqual({ type: "exit", exit_code: 7 });
    expect([late.text("stdout"), late.text("stderr")]).toEqual(["grüße", "oops"]);
    const later = await attach(pid, {}, options);
    expect(await later.frame("start")).toEqual({ type: "start", pid, offset: 11 });
    expect(await later.frame("exit")).toEqual({ type: "exit", exit_code: 7 });
    expect(later.text("stdout")).toBe("");
  });

  it("says how much of the output is not kept any more, and gives the rest", async () => {
    const bytes = LIMITS.keptOutputBytes + 1000;
    const pid = await start(sh(`head -c ${bytes} /dev/zero | tr '\\0' x; exec sleep 1000`));
    await expect.poll(async () => (await named(pid)).output_bytes, { timeout: 60_000 }).toBe(bytes);
    expect((await named(pid)).output_from).toBe(1000);
    const client = await attach(pid, { from: 400 }, options);
    expect(await client.frame("start")).toEqual({ type: "start", pid, offset: 1000, dropped: 600 });
    await expect.poll(() => client.text("stdout").length, { timeout: 60_000 }).toBe(LIMITS.keptOutputBytes);
  });
});

it("text that can be attached to is in the order in which it was written, also when a character of it is cut", async () => {
  const pid = await start(sh("printf '\\303'; sleep 0.2; printf err >&2; sleep 0.2; printf '\\274'; exec sleep 1000"));
  const client = await attach(pid, { from: 0 });
  await expect.poll(() => Buffer.concat(client.output.stdout).length, { timeout: 60_000 }).toBe(2);
  const output = client.frames.filter(({ type }) => type !== "start");
  expect(output.map(({ type }) => type)).toEqual(["stdout", "stderr", "stdout"]);
  expect(client.text("stdout")).toBe("ü");
});

it("any number of clients read at once, and each of them may type", async () => {
  const pid = await start({ cmd: "true" });
  await untilOver(pid);
  const first = await open();
  first.send({ type: "start", ...ECHO, stdin: true, background: true, tag: "shared" });
  await first.frame("start");
  const second = await attach("shared");
  await second.frame("start");
  first.send({ type: "stdin", data: "a\n" });
  for (const client of [first, second]) await untilGot(client, "got a\n");
  second.send({ type: "stdin", data: "b\n" });
  for (const client of [first, second]) await untilGot(client, "got a\ngot b\n");
  second.send({ type: "signal", signal: "SIGKILL" });
  for (const client of [first, second]) {
    expect(await client.frame("exit")).toEqual({ type: "exit", exit_code: 137, signal: "SIGKILL" });
  }
});

it("what a client types just before it leaves reaches the command, which goes on", async () => {
  const pid = await start({ ...ECHO, terminal: { cols: 80, rows: 24 } });
  const client = await attach(pid);
  await client.frame("start");
  const lines = Array.from({ length: 300 }, (_, line) => `${line}\n`);
  for (const data of lines) client.send({ type: "stdin", data });
  client.socket.close();
  const printed = lines.map((line) => `got ${line}`).join("");
  await expect.poll(async () => (await named(pid)).output_bytes, { timeout: 60_000 }).toBe(printed.length);
  const next = await attach(pid, { from: 0 });
  await untilGot(next, printed);
  expect(next.text("stdout")).toBe(printed);
  expect(await isOver(pid)).toBe(false);
});

it("joins a command that is not in the background, with what comes from then on, and leaves it when it goes", async () => {
  const owner = await open();
  owner.send({ type: "start", ...ECHO, stdin: true, tag: "own" });
  await owner.frame("start");
  owner.send({ type: "stdin", data: "before\n" });
  await untilGot(owner, "got before\n");
  const guest = await attach("own", { from: 0 });
  expect(await guest.frame("start")).toMatchObject({ tag: "own", offset: 11, dropped: 11 });
  guest.send({ type: "stdin", data: "after\n" });
  await untilGot(guest, "got after\n");
  expect(guest.text("stdout")).toBe("got after\n");
  guest.socket.close();
  await guest.closed;
  owner.send({ type: "stdin", data: "still\n" });
  await untilGot(owner, "got still\n");
  const other = await attach("own");
  const { pid } = await other.frame("start");
  owner.socket.terminate();
  expect(await other.frame("exit")).toMatchObject({ signal: expect.stringMatching(/SIGTERM|SIGKILL/) });
  await expect.poll(async () => (await named(pid)).pid, { timeout: 60_000 }).toBeUndefined();
});

describe("the frame stop ends", () => {
  it.each(["attached", "started"] as const)("a command in the background that was %s", async (how) => {
    const command = { cmd: "sleep", args: ["1000"], tag: "job" };
    if (how === "attached") await start(command);
    const client = how === "attached" ? await attach("job") : await open();
    if (how === "started") client.send({ type: "start", ...command, background: true });
    await client.frame("start");
    client.send({ type: "stop" });
    expect(await client.closed).toMatchObject({ code: 1000 });
    await untilOver("job");
    expect((await named("job")).exit).toMatchObject({ signal: "SIGTERM" });
  });

  it("one that has not started yet, whose client does not wait for that", async () => {
    const client = await open();
    client.send({ type: "start", cmd: "sleep", args: ["1000"], background: true, tag: "job" });
    client.send({ type: "stop" });
    client.socket.close();
    await expect.poll(async () => (await named("job")).exit, { timeout: 60_000 }).toMatchObject({ signal: "SIGTERM" });
  });
});

it("a client that breaks the protocol is cut off, and the command goes on", async () => {
  const pid = await start({ cmd: "sleep", args: ["1000"] });
  const client = await attach(pid);
  await client.frame("start");
  client.send({ type: "attach", process: String(pid) });
  expect(await client.frame("error")).toMatchObject({ code: "invalid_request" });
  expect(await client.closed).toMatchObject({ code: 1008 });
  expect(await isOver(pid)).toBe(false);
});

it("a client gets no more ahead of what it has used than it asked for, with a window of its own", async () => {
  const pid = await start(sh("head -c 500000 /dev/zero; exec sleep 1000"));
  await expect.poll(async () => (await named(pid)).output_bytes, { timeout: 60_000 }).toBe(500_000);
  const window = 64 * 1024;
  const narrow = await attach(pid, { from: 0, output_window: window }, { binary: true });
  const wide = await attach(pid, { from: 0 }, { binary: true });
  const got = (client: ExecSocket) => client.output.stdout.reduce((sum, { length }) => sum + length, 0);
  await expect.poll(() => got(wide), { timeout: 60_000 }).toBe(500_000);
  await expect.poll(() => got(narrow), { timeout: 60_000 }).toBeGreaterThanOrEqual(window);
  expect(got(narrow)).toBeLessThan(500_000);
  let told = 0;
  while (got(narrow) < 500_000) {
    if (got(narrow) === told) await once(narrow.socket, "message");
    narrow.send({ type: "output_taken", bytes: got(narrow) - told });
    told = got(narrow);
  }
});

it.each([
  ["absent", "process_not_found"],
  ["4000000", "process_not_found"],
  ["a b", "invalid_request"],
])("there is no joining %s", async (process, code) => {
  const client = await attach(process);
  expect(await client.frame("error")).toMatchObject({ code });
  expect(await client.closed).toMatchObject({ code: 1008 });
});

it("clients are told that the server ends, and commands in the background go on", async () => {
  const ownDatabase = await createDatabase();
  const own = await TestStack.start(ownDatabase);
  try {
    const sandbox = await own.createSandbox();
    const client = await ExecSocket.open(own, sandbox.id);
    client.send({ type: "start", cmd: "sleep", args: ["1000"], background: true });
    await client.frame("start");
    const [closed] = await Promise.all([client.closed, own.controlPlane.close()]);
    expect(closed.code).toBe(1001);
    const { processes } = own.host.guest(sandbox.id);
    expect(processes.size).toBe(1);
    for (const child of processes) expect([child.exitCode, child.signalCode]).toEqual([null, null]);
  } finally {
    await own.close();
    await ownDatabase.remove();
  }
});
