import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { LocalUser } from "@warren/server/testing/local-user";
import { afterEach, beforeEach, describe, expect, inject, it } from "vitest";
import { HostAgentDouble } from "./hosts/testing/host-agent-double.ts";
import { ControlPlaneProcess } from "./testing/control-plane-process.ts";

let directory: string;
let dataDir: string;
let processes: ControlPlaneProcess[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-main-"));
  dataDir = join(directory, "data");
  processes = [];
});
afterEach(async () => {
  await Promise.all(processes.map((process) => process.kill()));
  await rm(directory, { recursive: true, force: true });
});

function start(environment: Record<string, string> = {}): ControlPlaneProcess {
  const { cacheDir } = inject("databases");
  const child = new ControlPlaneProcess({ WARREN_DATA_DIR: dataDir, WARREN_CACHE_DIR: cacheDir, ...environment });
  processes.push(child);
  return child;
}

/** Starts a process with a umask. */
function withUmask<T>(umask: number, begin: () => T): T {
  const former = process.umask(umask);
  try {
    return begin();
  } finally {
    process.umask(former);
  }
}

const credentials = async () => JSON.parse(await readFile(join(dataDir, "credentials.json"), "utf8"));

it("a task that there is not is refused", () => {
  const program = [...NODE_FLAGS, join(import.meta.dirname, "main.ts"), "constructor"];
  const env = { PATH: process.env.PATH, WARREN_DATA_DIR: dataDir, WARREN_READY_FD: "1" };
  const { status, stdout } = spawnSync(process.execPath, program, { env, encoding: "utf8" });
  const error = { code: "invalid_request", message: "there is no task constructor" };
  expect([status, JSON.parse(stdout)]).toEqual([1, { ready: false, error }]);
});

describe("a control plane process", () => {
  it("makes a key at its first start, keeps it, and ends with status 0 on a signal", async () => {
    const first = start();
    const url = await first.url();
    const made = await credentials();
    expect(made).toEqual({ url, api_key: expect.stringMatching(/^warren_[0-9a-f]{40}$/) });
    expect((await stat(join(dataDir, "credentials.json"))).mode & 0o777).toBe(0o600);
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: "ok" });
    const list = { headers: { "x-api-key": made.api_key } };
    expect((await fetch(`${url}/v1/sandboxes`, list)).status).toBe(200);
    first.child.kill("SIGTERM");
    expect((await first.ended()).code).toBe(0);

    const second = start();
    const secondUrl = await second.url();
    expect(await credentials()).toEqual({ url: secondUrl, api_key: made.api_key });
    expect((await fetch(`${secondUrl}/v1/sandboxes`, list)).status).toBe(200);
  });

  it("is for its own user alone, with all that it writes, on a directory that others could read before", async () => {
    await mkdir(dataDir);
    await writeFile(join(dataDir, "control-plane.lock"), "");
    for (const path of [directory, dataDir]) await chmod(path, 0o755);
    await chmod(join(dataDir, "control-plane.lock"), 0o644);
    // The umask of a shell, which a server inherits.
    const child = withUmask(0o022, () => start());
    await child.url();
    const nobody = new LocalUser(directory);
    try {
      const paths = await readdir(dataDir, { recursive: true });
      expect(paths).toContain("database/cluster/PG_VERSION");
      expect(paths).toContain("operator.sock");
      for (const path of paths) {
        expect([path, (await stat(join(dataDir, path))).mode & 0o077]).toEqual([path, 0]);
        expect([path, await nobody.read(join("data", path))]).toEqual([path, "EACCES"]);
      }
    } finally {
      nobody.leave();
    }
  });

  it("keeps what it answered when it is killed", async () => {
    const host = await HostAgentDouble.start();
    try {
      const first = start({ WARREN_LOCAL_HOST: host.address });
      const url = await first.url();
      const headers = { "x-api-key": (await credentials()).api_key, "content-type": "application/json" };
      const created = await fetch(`${url}/v1/sandboxes`, { method: "POST", headers, body: "{}" });
      const { id } = (await created.json()) as { id: string };
      await first.kill();

      const again = await start({ WARREN_LOCAL_HOST: host.address }).url();
      const found = await fetch(`${again}/v1/sandboxes/${id}`, { headers });
      expect(await found.json()).toMatchObject({ id, status: "running" });
    } finally {
      await host.close();
    }
  });

  it("ends when its supervisor is gone", async () => {
    const child = start({ WARREN_EXIT_WITH_PARENT: "1" });
    await child.url();
    child.child.stdin!.end();
    expect((await child.ended()).code).toBe(0);
  });

  it("reads settings from a .env file, under those of the environment", async () => {
    await writeFile(join(directory, ".env"), "WARREN_LOG_LEVEL=warn\nWARREN_LISTEN=256.0.0.1:1\n");
    const child = start();
    await child.url();
    child.child.kill("SIGINT");
    expect(await child.ended()).toEqual({ code: 0, output: "" });
  });

  it("writes no secret to its log", async () => {
    const child = start({ WARREN_LOG_LEVEL: "trace" });
    const url = await child.url();
    const { api_key } = await credentials();
    const wrong = `warren_${"ab".repeat(20)}`;
    for (const key of [api_key, wrong]) {
      const headers = { "x-api-key": key, authorization: `Bearer ${key}`, cookie: `session=${key}` };
      await fetch(`${url}/v1/sandboxes?x=1`, { headers });
      await fetch(`${url}/v1/sandboxes`, { method: "POST", headers, body: key });
    }
    child.child.kill("SIGTERM");
    const { output } = await child.ended();
    expect(output).toContain('"path":"/v1/sandboxes"');
    expect(output).not.toContain(api_key.slice("warren_".length));
    expect(output).not.toContain(wrong.slice("warren_".length));
  });
});

describe("a control plane process refuses to start", () => {
  const refusal = async (child: ControlPlaneProcess) => {
    const readiness = await child.readiness;
    expect((await child.ended()).code).toBe(1);
    return readiness.ready ? undefined : readiness.error;
  };

  it("on a data directory that another one uses", async () => {
    await start().url();
    const error = await refusal(start());
    expect(error).toMatchObject({ code: "conflict" });
    expect(error?.message).toContain(dataDir);
  });

  it("on a port in use, leaving the directory free", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const error = await refusal(start({ WARREN_LISTEN: `127.0.0.1:${port}` }));
    expect(error).toMatchObject({ code: "conflict" });
    expect(error?.message).toContain(`127.0.0.1:${port} is in use`);
    server.close();
    await start().url();
  });

  it("with settings that are not valid, naming all of them", async () => {
    const error = await refusal(start({ WARREN_LISTEN: "nowhere", DATABASE_URL: "mysql://x", WARREN_LOCAL_HOST: "x" }));
    expect(error).toMatchObject({ code: "invalid_request" });
    for (const name of ["WARREN_LISTEN", "DATABASE_URL", "WARREN_LOCAL_HOST"]) expect(error?.message).toContain(name);
  });

  it("on a data directory that it cannot use", async () => {
    await writeFile(dataDir, "a file");
    expect(await refusal(start())).toMatchObject({ code: "invalid_request" });
  });

  it("with credentials that hold no key", async () => {
    const child = start();
    await child.url();
    await child.kill();
    await writeFile(join(dataDir, "credentials.json"), "{}");
    expect((await refusal(start()))?.message).toContain("credentials.json");
  });

  it("when the database does not answer", async () => {
    const url = `postgresql:///x?host=${directory}&user=x`;
    const error = await refusal(start({ DATABASE_URL: url }));
    expect(error?.message).toContain("database");
  });
});
