import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { expect, onTestFinished, test } from "vitest";

const MAIN = join(import.meta.dirname, "..", "main.ts");
const BUILT_IN = { name: "minimal", type: "base", size_bytes: 0, created_at: "2026-01-02T03:04:05.000Z" };
const KEPT = { ...BUILT_IN, name: "kept", type: "snapshot", vcpus: 1, memory_mb: 256, size_bytes: 1024 ** 2 + 1 };

test("a template that takes nothing of its own is listed without a size", async () => {
  const server = createServer((_, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify([BUILT_IN, KEPT]));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { PATH: process.env.PATH, WARREN_URL: url, WARREN_API_KEY: "warren_x" };
  const command = spawn(process.execPath, [...NODE_FLAGS, MAIN, "templates", "ls"], { env });
  const [listed, said] = await Promise.all([text(command.stdout), text(command.stderr)]);
  expect(said).toBe("");
  expect(listed).toMatch(/^minimal +base +2026/m);
  expect(listed).toMatch(/^kept +snapshot +1 +256 MiB +2 MiB +2026/m);
});
