import { expect, onTestFinished, test } from "vitest";
import { StandInServer } from "../testing/stand-in-server.ts";

const BUILT_IN = { name: "minimal", type: "base", size_bytes: 0, created_at: "2026-01-02T03:04:05.000Z" };
const KEPT = { ...BUILT_IN, name: "kept", type: "snapshot", vcpus: 1, memory_mb: 256, size_bytes: 1024 ** 2 + 1 };

test("a template that takes nothing of its own is listed without a size", async () => {
  const server = await StandInServer.start((_, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify([BUILT_IN, KEPT]));
  });
  onTestFinished(() => server.close());
  const { stdout, stderr } = await server.run("templates", "ls");
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^minimal +base +2026/m);
  expect(stdout).toMatch(/^kept +snapshot +1 +256 MiB +2 MiB +2026/m);
});
