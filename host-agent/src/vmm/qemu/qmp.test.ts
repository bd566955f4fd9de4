import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { temporaryFolder } from "../../linux/testing/temporary-folder.ts";
import { socketPair } from "../testing/peer.ts";
import { QmpClient, QmpError } from "./qmp.ts";

const GREETING = `${JSON.stringify({ QMP: { version: {}, capabilities: [] } })}\r\n`;

/** A session with a real QEMU that has no machine. */
async function qemuSession() {
  const path = join(temporaryFolder(), "qmp.sock");
  const args = ["-machine", "none", "-S", "-nodefaults", "-display", "none", "-qmp", `unix:${path},server=on,wait=on`];
  const child = spawn("qemu-system-x86_64", args, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  // With wait=on QEMU says on its standard error that it listens.
  await once(child.stderr, "data");
  const socket = connect(path);
  return { client: await QmpClient.handshake(socket), child };
}

/** A session with a peer that answers the negotiation and then does what the test says. */
async function scriptedSession(): Promise<{
  client: QmpClient;
  peer: Socket;
  commands: AsyncIterator<{ id: number }>;
}> {
  const { socket, peer } = await socketPair();
  const commands = received(peer);
  const opening = QmpClient.handshake(socket);
  peer.write(GREETING);
  const { value } = await commands.next();
  peer.write(`${JSON.stringify({ return: {}, id: value.id })}\n`);
  return { client: await opening, peer, commands };
}

/** Commands that arrive at the peer. Each is one write, so each chunk is a whole line. */
async function* received(peer: Socket): AsyncGenerator<{ id: number; execute: string }> {
  for await (const chunk of peer) for (const line of String(chunk).trim().split("\n")) yield JSON.parse(line);
}

test("commands of a real QEMU are answered, several at a time", async () => {
  const { client } = await qemuSession();
  const answers = await Promise.all([client.execute("query-status", {}), client.execute("query-status", {})]);
  for (const answer of answers) expect(answer).toMatchObject({ status: "prelaunch", running: false });
});

test("a command that QEMU refuses rejects with its reason", async () => {
  const { client } = await qemuSession();
  const refused = client.execute("migrate-incoming", { uri: "fd:0" });
  await expect(refused).rejects.toBeInstanceOf(QmpError);
  await expect(refused).rejects.toMatchObject({ code: "agent_error", class: "GenericError" });
});

test("the end of QEMU ends the session and what waits for an answer", async () => {
  const { client, child } = await qemuSession();
  child.kill("SIGSTOP");
  const waiting = client.execute("query-status", {});
  child.kill("SIGKILL");
  await expect(waiting).rejects.toThrow("QEMU does not answer");
  await client.closed;
  await expect(client.execute("query-status", {})).rejects.toThrow("QEMU does not answer");
});

test("a QEMU that ends while it is passed a file fails that command, and no error is left that nobody takes", async () => {
  const { client, peer } = await scriptedSession();
  const unhandled = vi.fn();
  process.once("unhandledRejection", unhandled);
  onTestFinished(() => void process.off("unhandledRejection", unhandled));
  peer.destroy();
  await expect(client.execute("add-fd", { "fdset-id": 1 }, undefined, 0)).rejects.toMatchObject({
    code: "agent_error",
  });
  await client.closed;
  await new Promise(setImmediate);
  expect(unhandled).not.toHaveBeenCalled();
});

test("answers are told apart by their ids, whatever their order", async () => {
  const { client, peer, commands } = await scriptedSession();
  const answers = Promise.all([client.execute("query-status", {}), client.execute("query-status", {})]);
  const first = (await commands.next()).value;
  const second = (await commands.next()).value;
  peer.write(`${JSON.stringify({ return: { status: "second" }, id: second.id })}\n`);
  peer.write(`${JSON.stringify({ return: { status: "first" }, id: first.id })}\n`);
  expect(await answers).toEqual([{ status: "first" }, { status: "second" }]);
});

test("events reach their listeners until they are taken off", async () => {
  const { client, peer, commands } = await scriptedSession();
  const seen: unknown[] = [];
  const off = client.on("MIGRATION", (data) => seen.push(data));
  const event = (status: string) => peer.write(`${JSON.stringify({ event: "MIGRATION", data: { status } })}\n`);
  /** The answer to a command comes after all that the peer wrote before it. */
  const settled = async () => {
    const answer = client.execute("query-status", {});
    peer.write(`${JSON.stringify({ return: {}, id: (await commands.next()).value.id })}\n`);
    await answer;
  };
  peer.write(`${JSON.stringify({ event: "SHUTDOWN", data: {} })}\n`);
  event("active");
  await settled();
  off();
  event("completed");
  await settled();
  expect(seen).toEqual([{ status: "active" }]);
});

test("a caller that gives up gets its reason, and the late answer does no harm", async () => {
  const { client, peer, commands } = await scriptedSession();
  const caller = new AbortController();
  const given = client.execute("stop", {}, caller.signal);
  const { id } = (await commands.next()).value;
  caller.abort(new Error("no longer wanted"));
  await expect(given).rejects.toThrow("no longer wanted");
  peer.write(`${JSON.stringify({ return: {}, id })}\n`);
  const next = client.execute("query-status", {});
  peer.write(`${JSON.stringify({ return: { status: "paused" }, id: (await commands.next()).value.id })}\n`);
  expect(await next).toEqual({ status: "paused" });
});

test.each([
  ["no JSON", "HTTP/1.1 200 OK\r\n"],
  ["a line without end", "x".repeat(300 * 1024)],
  ["an event with a name of the emitter's own", `${JSON.stringify({ event: "error", data: {} })}\n${"}".repeat(2)}\n`],
])("a peer that sends %s is cut off", async (_, bytes) => {
  const { client, peer } = await scriptedSession();
  const waiting = client.execute("query-status", {});
  peer.write(bytes);
  await expect(waiting).rejects.toMatchObject({ code: "agent_error" });
  await client.closed;
});

test("a peer that never greets is given up when the caller says so", async () => {
  const { socket } = await socketPair();
  await expect(QmpClient.handshake(socket, AbortSignal.timeout(20))).rejects.toMatchObject({ name: "TimeoutError" });
});
