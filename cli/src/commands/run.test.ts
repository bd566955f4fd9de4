import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { expect, onTestFinished, test } from "vitest";

const MAIN = join(import.meta.dirname, "../main.ts");

/**
 * Address of a server with one sandbox, whose connections break as soon as a command is to be started; with `ends` it is gone
 * from then on.
 */
async function brokenServer(sandbox: object, { ends = false } = {}): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.end(request.method === "DELETE" ? "" : JSON.stringify({ id: "sbaaaaaaaaaaaaaaaaaaaa", ...sandbox }));
  });
  server.on("upgrade", (_request, socket) => {
    socket.destroy();
    if (!ends) return;
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Runs `warren run -- true` on a server. */
async function runOn(url: string): Promise<{ status: number; stderr: string }> {
  const env = { PATH: process.env.PATH, WARREN_URL: url, WARREN_API_KEY: "warren_key" };
  const command = spawn(process.execPath, [...NODE_FLAGS, MAIN, "run", "--", "true"], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(command, "close");
  const stderr = await text(command.stderr);
  return { status: (await ended)[0], stderr };
}

test("a run whose machine slept says that its sandbox is over, and why, rather than that nobody answers", async () => {
  const message = "the client that made the sandbox did not renew its lease in time";
  const reason = { code: "lease_expired", message, at: "2026-01-01T00:00:00.000Z" };
  const { status, stderr } = await runOn(await brokenServer({ status: "stopped", reason }));
  expect({ status, stderr }).toEqual({
    status: 125,
    stderr: `warren: The sandbox ended before its command did: ${message} (invalid_state)\n`,
  });
});

test("a run whose connection breaks while its sandbox lives says so", async () => {
  const { status, stderr } = await runOn(await brokenServer({ status: "running" }));
  expect({ status, stderr }).toEqual({
    status: 125,
    stderr: expect.stringContaining("No answer from the Warren server"),
  });
});

test("a run whose server ends says so, and what becomes of its sandbox", async () => {
  const { status, stderr } = await runOn(await brokenServer({ status: "running" }, { ends: true }));
  expect(status).toBe(125);
  expect(stderr).toMatch(/^warren: The server has ended.* sbaaaaaaaaaaaaaaaaaaaa .*left there.*within 60 s.*\n$/);
});
