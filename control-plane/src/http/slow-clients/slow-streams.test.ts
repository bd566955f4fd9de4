import { afterAll, beforeAll, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../../database/testing/test-database.ts";
import { ExecSocket } from "../../testing/exec-socket.ts";
import { TestStack } from "../../testing/test-stack.ts";
import { TRANSFER_LIMITS } from "./transfer-limits.ts";

let database: TestDatabase;
let stack: TestStack;
let id: string;
beforeAll(async () => {
  database = await createDatabase();
  stack = await TestStack.start(database, {
    config: { transfers: { ...TRANSFER_LIMITS, streamMs: 1000, joinedStreamMs: 5000 } },
  });
  ({ id } = await stack.createSandbox());
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
});

const running = () => stack.host.guest(id).processes.size;

it("a client that takes nothing of what waits is cut off with its command, and one for which nothing waits is not", async () => {
  const idle = await ExecSocket.open(stack, id, { binary: true });
  idle.send({ type: "start", cmd: "sh", args: ["-c", "echo waiting; read -r line; echo got $line"], stdin: true });
  await expect.poll(() => idle.text("stdout")).toBe("waiting\n");
  idle.socket.pause();

  const stalled = await ExecSocket.open(stack, id, { binary: true });
  stalled.send({ type: "start", cmd: "cat", args: ["/dev/zero"] });
  await stalled.frame("start");
  stalled.socket.pause();
  expect(running()).toBe(2);
  await expect.poll(running, { timeout: 60_000 }).toBe(1);
  stalled.socket.resume();
  expect(await stalled.closed).toEqual({ code: 1008, reason: "request_timeout" });
  expect(await stalled.frame("error")).toMatchObject({ code: "request_timeout", data: expect.stringContaining("1 s") });

  idle.socket.resume();
  idle.send({ type: "stdin", data: "it\n" });
  expect(await idle.frame("exit")).toEqual({ type: "exit", exit_code: 0 });
  expect(idle.text("stdout")).toBe("waiting\ngot it\n");
}, 120_000);

it("a client that never says that it has used the window that it asked for is cut off too", async () => {
  const client = await ExecSocket.open(stack, id, { binary: true });
  client.send({ type: "start", cmd: "cat", args: ["/dev/zero"], output_window: 1024 });
  await client.frame("start");
  expect(await client.frame("error")).toMatchObject({ code: "request_timeout" });
  expect(await client.closed).toEqual({ code: 1008, reason: "request_timeout" });
  await expect.poll(running).toBe(0);
}, 120_000);

it("a client that takes nothing of a command that it has joined lets it go on, for those who read it too", async () => {
  const script = "read -r line; head -c 30000000 /dev/zero; exec sleep 1000";
  const reader = await ExecSocket.open(stack, id, { binary: true });
  reader.send({ type: "start", cmd: "sh", args: ["-c", script], stdin: true, background: true, tag: "read" });
  await reader.frame("start");
  const stalled = await ExecSocket.open(stack, id, { binary: true });
  stalled.send({ type: "attach", process: "read" });
  await stalled.frame("start");
  stalled.socket.pause();
  reader.send({ type: "stdin", data: "go\n" });
  const got = () => reader.output.stdout.reduce((sum, { length }) => sum + length, 0);
  await expect.poll(got, { timeout: 60_000 }).toBe(30_000_000);
  stalled.socket.resume();
  expect(await stalled.frame("error")).toMatchObject({ code: "request_timeout", data: expect.stringContaining("5 s") });
  expect(await stalled.closed).toEqual({ code: 1008, reason: "request_timeout" });
  reader.send({ type: "stop" });
  await expect.poll(running, { timeout: 60_000 }).toBe(0);
}, 120_000);
