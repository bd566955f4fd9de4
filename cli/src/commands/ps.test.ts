import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { expect, onTestFinished, test } from "vitest";

const MAIN = join(import.meta.dirname, "../main.ts");

test("ps lists page after page what is asked for, and says why a sandbox is in its status though its user did not ask for that", async () => {
  const shape = { template: "minimal", vcpus: 1, memory_mb: 512, created_at: "2026-01-01T00:00:00.000Z" };
  const reason = { code: "inactivity", message: "nothing used it for 60 s", at: "2026-01-01T00:01:00.000Z" };
  const first = { id: "sbaaaaaaaaaaaaaaaaaaaa", status: "paused", ...shape, reason };
  const second = { id: "sbbbbbbbbbbbbbbbbbbbbb", status: "paused", ...shape };
  const asked: URLSearchParams[] = [];
  const server = createServer(({ url = "" }, response) => {
    const query = new URL(url, "http://server").searchParams;
    asked.push(query);
    response.end(JSON.stringify(query.has("cursor") ? { items: [second] } : { items: [first], next_cursor: "more" }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { PATH: process.env.PATH, WARREN_URL: url, WARREN_API_KEY: "warren_key" };
  const filters = ["--status", "paused,error", "--status", "missing", "--template", "minimal", "--search", "b"];
  const command = spawn(process.execPath, [...NODE_FLAGS, MAIN, "ps", ...filters], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = (await text(command.stdout)).split("\n");
  expect(lines[1]).toMatch(/^sba+ +paused \(inactivity\) +minimal /);
  expect(lines[2]).toMatch(/^sbb+ +paused +minimal /);
  const wanted = { status: "paused,error,missing", template: "minimal", q: "b", limit: "100" };
  expect(asked.map((query) => Object.fromEntries(query))).toEqual([wanted, { ...wanted, cursor: "more" }]);
});
