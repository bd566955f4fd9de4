import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const PROGRAM = resolve(import.meta.dirname, "../main.ts");
const CONTROL_PLANE = resolve(import.meta.dirname, "../../../control-plane/src/main.ts");

let home: string;
let dataDir: string;
let file: string;
let running: ChildProcess | undefined;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "warren-database-"));
  [dataDir, file] = [join(home, "data"), join(home, "warren.backup")];
  await mkdir(dataDir, { mode: 0o700 });
});
afterAll(async () => {
  await stop();
  await rm(home, { recursive: true, force: true });
});

/** Starts a server on the data directory and gives its address. */
async function start(): Promise<string> {
  running = spawn(process.execPath, [...NODE_FLAGS, CONTROL_PLANE], {
    cwd: dataDir,
    env: {
      PATH: process.env.PATH,
      WARREN_DATA_DIR: dataDir,
      WARREN_LISTEN: "127.0.0.1:0",
      WARREN_READY_FD: "3",
      WARREN_EXIT_WITH_PARENT: "1",
    },
    stdio: ["pipe", "ignore", "inherit", "pipe"],
  });
  return JSON.parse(await text(running.stdio[3] as Readable)).url;
}

async function stop(): Promise<void> {
  if (!running) return;
  const exit = once(running, "exit");
  running.kill("SIGTERM");
  await exit;
  running = undefined;
}

/** Runs `warren admin` with the given words on the data directory. */
async function admin(...words: string[]): Promise<{ status: number; stdout: Buffer; stderr: string }> {
  const child = spawn(process.execPath, [...NODE_FLAGS, PROGRAM, "admin", ...words, "--data-dir", dataDir], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exit = once(child, "exit");
  const [stdout, stderr] = await Promise.all([buffer(child.stdout), text(child.stderr)]);
  const [status] = await exit;
  return { status: status as number, stdout, stderr };
}

const PASSWORD = "correct horse battery";

/** Makes an account, or asks for a session of one; gives the HTTP status. */
async function account(url: string, route: "signup" | "login", name: string): Promise<number> {
  const body = { email: `${name}@example.org`, password: PASSWORD, ...(route === "signup" && { name }) };
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/v1/auth/${route}`, { method: "POST", headers, body: JSON.stringify(body) });
  await answer.body?.cancel();
  return answer.status;
}

describe("the database of a server", () => {
  it("goes to a file while the server runs, for its user alone, and never over another unasked", async () => {
    const url = await start();
    expect(await account(url, "signup", "ada")).toBe(201);
    const backup = await admin("backup", file);
    expect(backup).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("Keep secret.key and credentials.json"),
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await admin("backup", file)).toMatchObject({ status: 1, stderr: expect.stringContaining("--force") });
    expect(await account(url, "signup", "eve")).toBe(201);
  });

  it("comes back only while no server runs", async () => {
    expect(await admin("restore", file)).toMatchObject({ status: 1, stderr: expect.stringContaining("stop it first") });
    await stop();
    const { status, stdout, stderr } = await admin("restore", file);
    expect([status, stdout.toString()]).toEqual([0, ""]);
    expect(stderr).toContain(join(dataDir, "database", "cluster.before-restore"));
    expect(stderr).toContain("does not know");
  });

  it("that came back is that of the file, and its keys work", async () => {
    const url = await start();
    expect([await account(url, "login", "ada"), await account(url, "login", "eve")]).toEqual([200, 401]);
    const { api_key } = JSON.parse(await readFile(join(dataDir, "credentials.json"), "utf8"));
    expect((await fetch(`${url}/v1/sandboxes`, { headers: { "x-api-key": api_key } })).status).toBe(200);
    await stop();
  });

  it("goes to standard output when no server runs", async () => {
    const { status, stdout } = await admin("backup", "-");
    expect([status, stdout.subarray(0, 2).toString("hex")]).toEqual([0, "1f8b"]);
  });

  it("that is of this version needs no upgrade", async () => {
    expect(await admin("database", "upgrade")).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("nothing is"),
    });
  });
});
