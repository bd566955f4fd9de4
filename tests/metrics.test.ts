import { readFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { ROOT } from "@warren/cli/bundle-programs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bundleFakeHostAgent, type Stack, startStack } from "./support/stack.ts";

const TOKEN = "token-of-the-metrics";

let stack: Stack;
beforeAll(async () => {
  const environment = { WARREN_METRICS_TOKEN: TOKEN, WARREN_WARM_POOL: "0" };
  const host = { ...environment, WARREN_HOST_METRICS_LISTEN: "127.0.0.1:0" };
  stack = await startStack(host, environment, undefined, await bundleFakeHostAgent());
});
afterAll(() => stack?.dispose());

/** Reads the page of metrics at an address, or at the socket of the host agent. */
function read(
  at: string | { socketPath: string },
  token: string | undefined,
): Promise<{ status: number; text: string }> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const answered = async (answer: http.IncomingMessage) => {
      const text = Buffer.concat(await answer.toArray()).toString();
      resolve({ status: answer.statusCode ?? 0, text });
    };
    const request =
      typeof at === "string"
        ? http.get(at, { headers }, answered)
        : http.get({ ...at, path: "/metrics", headers }, answered);
    request.on("error", reject);
  });
}

/** Where the log of the host agent says that its metrics are. */
function hostAddress(): string {
  const line = stack.hostAgent.log.find((each) => each.includes("metrics are served"));
  return JSON.parse(line ?? "{}").url;
}

it("both servers tell what they do, and the dashboard for Grafana asks for nothing that they do not", async () => {
  const sandbox = await stack.warren.sandboxes.create();
  await sandbox.exec("echo", ["on"]);
  await sandbox.pause();
  await sandbox.resume();
  await sandbox.destroy();
  // One that is refused, by the host too.
  await expect(stack.warren.sandboxes.create({ memoryMb: 64 * 1024 })).rejects.toThrow();
  const socketPath = join(stack.directory, "agent.sock");
  expect((await read({ socketPath }, undefined)).status).toBe(401);
  expect((await read(hostAddress(), undefined)).status).toBe(401);
  const plane = await read(`${stack.url}/metrics`, TOKEN);
  const host = await read(hostAddress(), TOKEN);
  expect([plane.status, host.status]).toEqual([200, 200]);
  expect((await read({ socketPath }, TOKEN)).text).toContain("warren_host_info");

  const series = new Set(`${plane.text}\n${host.text}`.split("\n").map((line) => /^[a-z_]\w*/.exec(line)?.[0]));
  const dashboard = await readFile(join(ROOT, "docs/grafana-dashboard.json"), "utf8");
  const asked = new Set(dashboard.match(/\b(?:warren|process|nodejs)_\w+/g));
  expect(asked.size).toBeGreaterThan(20);
  expect([...asked].filter((name) => !series.has(name))).toEqual([]);
  for (const [page, prefix] of [
    [plane.text, "warren_control_plane"],
    [host.text, "warren_host"],
  ] as const) {
    for (const operation of ["create", "pause", "resume", "destroy"]) {
      expect(page).toContain(`${prefix}_operation_duration_seconds_count{operation="${operation}",outcome="ok"} 1\n`);
    }
  }
  expect(host.text).toContain('warren_host_operation_step_duration_seconds_count{operation="pause",step="memory"} 1\n');
  expect(host.text).toContain('warren_host_warm_pool_uses_total{result="miss"}');
  expect(host.text).toContain('warren_host_call_duration_seconds_count{method="PauseSandbox",outcome="ok"} 1\n');
  expect(host.text).toContain("warren_host_network_slots_used 0\n");
  for (const of of ["data", "images"]) {
    expect(
      Number(new RegExp(`^warren_host_disk_used_bytes\\{of="${of}"\\} (\\d+)$`, "m").exec(host.text)?.[1]),
    ).toBeGreaterThan(0);
  }
  expect(plane.text).toMatch(/^warren_control_plane_audit_outbox_bytes 0$/m);
  expect(plane.text).toContain('warren_control_plane_sandboxes{status="running"} 0\n');
});

it("every metric says what it is, and none tells of a sandbox or a team", async () => {
  const sandbox = await stack.warren.sandboxes.create();
  const pages = [await read(`${stack.url}/metrics`, TOKEN), await read(hostAddress(), TOKEN)];
  for (const { text } of pages) {
    expect(text).not.toContain(sandbox.id);
    const described = new Set([...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name));
    const typed = [...text.matchAll(/^# TYPE (\S+) (\S+)/gm)].map(([, name, type]) => ({ name: name!, type }));
    for (const { name, type } of typed) {
      expect(described, name).toContain(name);
      if (name.startsWith("warren_")) expect(name.endsWith("_total"), name).toBe(type === "counter");
    }
  }
  await sandbox.destroy();
});
