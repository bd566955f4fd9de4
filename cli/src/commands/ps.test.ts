import { expect, onTestFinished, test } from "vitest";
import { StandInServer } from "../testing/stand-in-server.ts";

test("ps lists page after page what is asked for, and says why a sandbox is in its status though its user did not ask for that", async () => {
  const shape = { template: "minimal", vcpus: 1, memory_mb: 512, created_at: "2026-01-01T00:00:00.000Z" };
  const reason = { code: "inactivity", message: "nothing used it for 60 s", at: "2026-01-01T00:01:00.000Z" };
  const first = { id: "sbaaaaaaaaaaaaaaaaaaaa", status: "paused", ...shape, reason };
  const second = { id: "sbbbbbbbbbbbbbbbbbbbbb", status: "paused", ...shape };
  const asked: URLSearchParams[] = [];
  const server = await StandInServer.start(({ url = "" }, response) => {
    const query = new URL(url, "http://server").searchParams;
    asked.push(query);
    response.end(JSON.stringify(query.has("cursor") ? { items: [second] } : { items: [first], next_cursor: "more" }));
  });
  onTestFinished(() => server.close());
  const filters = ["--status", "paused,error", "--status", "missing", "--template", "minimal", "--search", "b"];
  const lines = (await server.run("ps", ...filters)).stdout.split("\n");
  expect(lines[1]).toMatch(/^sba+ +paused \(inactivity\) +minimal /);
  expect(lines[2]).toMatch(/^sbb+ +paused +minimal /);
  const wanted = { status: "paused,error,missing", template: "minimal", q: "b", limit: "100" };
  expect(asked.map((query) => Object.fromEntries(query))).toEqual([wanted, { ...wanted, cursor: "more" }]);
});
