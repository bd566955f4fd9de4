import type { RequestListener } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StandInServer } from "../testing/stand-in-server.ts";

const ID = `sb${"a".repeat(20)}`;

const used = { cpu_minutes: 1.5, memory_mb_minutes: 768, disk_gb_hours: 0.025, egress_bytes: 9 };
const unused = { cpu_minutes: 0, memory_mb_minutes: 0, disk_gb_hours: 0, egress_bytes: 0 };
const usage = {
  from: "2026-01-01",
  to: "2026-01-02",
  total: used,
  days: [
    { day: "2026-01-01", ...unused },
    { day: "2026-01-02", ...used },
  ],
};
const series = {
  labels: ["2026-01-01T00:00:00.000Z"],
  cpu_percent: [12.5],
  memory_mb: [null],
  vmm_memory_mb: [188.4],
  disk_bytes: [4096],
  rx_bytes_per_s: [1],
  tx_bytes_per_s: [2],
};

/** What is set for the team, as the server tells it. */
let limits: object | undefined;

/** Answers as a server does, and keeps what it was asked for. */
const asked: string[] = [];
const answer: RequestListener = (request, response) => {
  asked.push(request.url ?? "");
  const { pathname, searchParams } = new URL(request.url ?? "", "http://server");
  const body =
    pathname === "/v1/usage"
      ? searchParams.get("group_by") === "sandbox"
        ? { ...usage, sandboxes: [{ sandbox_id: ID, template: "minimal", ...used }] }
        : { ...usage, ...(limits && { limits }) }
      : pathname.endsWith("/metrics")
        ? { range: "5m", series }
        : { id: ID };
  response.end(searchParams.get("format") === "csv" ? "day,cpu_minutes\r\n" : JSON.stringify(body));
};
let server: StandInServer;
beforeAll(async () => {
  server = await StandInServer.start(answer);
});
afterAll(() => server?.close());

async function warren(...words: string[]): Promise<string> {
  const { stdout, stderr } = await server.run(...words);
  return stdout + stderr;
}

test("usage tells the days on which something was used, and their sum", async () => {
  const lines = (await warren("usage", "--from", "2026-01-01", "--to", "2026-01-02")).split("\n");
  expect(asked.at(-1)).toBe("/v1/usage?from=2026-01-01&to=2026-01-02");
  expect(lines.map((line) => line.split(/ {2,}/).join("|"))).toEqual([
    "DAY|CPU MIN|MEMORY GIB·H|DISK GIB·H|EGRESS BYTES",
    "2026-01-02|1.5|0.0125|0.025|9",
    "total|1.5|0.0125|0.025|9",
    "",
  ]);
});

test("usage says on standard error what has come to its limit, in the units of its table", async () => {
  limits = {
    ends_at: "2026-02-01T00:00:00.000Z",
    cpu_minutes: { used: 52.5, warning: 50, state: "warning" },
    memory_mb_minutes: { used: 122_880, limit: 61_440, state: "reached" },
    egress_bytes: { used: 0, state: "ok" },
  };
  const said = await warren("usage");
  limits = undefined;
  expect(said).toContain("warren: CPU: 52.5 minutes used, of which you are warned from 50 on.\n");
  expect(said).toContain("warren: memory: 2 of 1 GiB·h used: sandboxes are paused and none starts until 2026-02-01");
  expect(said).toContain("or until an administrator of the platform raises the limit.");
});

test("usage tells sandboxes apart, as CSV too, and says which kinds there are", async () => {
  expect(await warren("usage", "--by", "sandbox")).toContain(ID);
  expect(await warren("usage", "--csv", "--by", "sandbox")).toBe("day,cpu_minutes\r\n");
  expect(asked.at(-1)).toBe("/v1/usage?group_by=sandbox&format=csv");
  expect(JSON.parse(await warren("usage", "--json"))).toEqual(usage);
  expect(await warren("usage", "--by", "user")).toContain("Allowed choices are sandbox, template");
});

test("metrics tells what a sandbox used, bucket by bucket", async () => {
  const lines = (await warren("metrics", ID)).split("\n");
  expect(asked.at(-1)).toBe(`/v1/sandboxes/${ID}/metrics?range=5m`);
  expect(lines[1]!.split(/ {2,}/)).toEqual(["2026-01-01T00:00:00.000Z", "12.5", "-", "188.4", "4096", "1", "2"]);
  expect(JSON.parse(await warren("metrics", ID, "--range", "30d", "--json"))).toEqual(series);
  expect(await warren("metrics", ID, "--range", "2h")).toContain("Allowed choices are 5m");
});
