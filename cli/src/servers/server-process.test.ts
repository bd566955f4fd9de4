import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileLock } from "@warren/server/file-lock";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lockDirectory } from "./directory-lock.ts";
import { type ServerCommand, ServerProcess } from "./server-process.ts";

let directory: string;
let lock: FileLock;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-server-test-"));
  lock = (await lockDirectory(directory))!;
});
afterEach(async () => {
  lock.release();
  await rm(directory, { recursive: true });
});

/** Prelude of the programs below: the part of docs/processes.md that a server has. */
const SERVER = `
  const { writeSync, closeSync } = require("node:fs");
  const report = (line) => writeSync(3, JSON.stringify(line) + "\\n");
  process.stdin.on("end", () => process.exit(0)).resume();
`;

async function start(program: string, hooks: Partial<Pick<ServerCommand, "onProgress" | "onLog">> = {}) {
  const file = join(directory, "server.cjs");
  await writeFile(file, SERVER + program);
  return ServerProcess.start({ name: "test server", args: [file], env: {}, cwd: directory, lockFd: lock.fd, ...hooks });
}

describe("a server process", () => {
  test("tells its progress, its address and its log, and ends in order", async () => {
    const steps: object[] = [];
    const lines: string[] = [];
    const server = await start(
      `report({ progress: { step: "kernel" } });
       console.log("starting"); console.error("careful");
       process.on("SIGTERM", () => { console.log("ending"); process.exit(0); });
       report({ ready: true, url: "http://127.0.0.1:1" }); closeSync(3);`,
      { onProgress: (step) => steps.push(step), onLog: (line) => lines.push(line) },
    );
    expect(await server.ready()).toBe("http://127.0.0.1:1");
    expect(steps).toEqual([{ step: "kernel" }]);
    expect(await server.stop()).toBe(true);
    expect(await server.exited).toBeUndefined();
    expect(lines.sort()).toEqual(["careful", "ending", "starting"]);
  });

  test("says in its own words why it cannot start", async () => {
    const server = await start(
      `report({ ready: false, error: { code: "conflict", message: "port 3000 is in use" } }); process.exit(1);`,
    );
    await expect(server.ready()).rejects.toThrow(/^port 3000 is in use$/);
    await server.exited;
  });

  test("is told with its last lines when it dies, before it is ready or after", async () => {
    const early = await start(`console.error("out of luck"); process.exit(9);`);
    await expect(early.ready()).rejects.toThrow(/test server ended with status 9\..*\nout of luck$/s);
    const late = await start(
      `report({ ready: true, url: "x" }); console.log("ouch"); process.exitCode = 3; process.stdin.pause();`,
    );
    expect(await late.ready()).toBe("x");
    expect((await late.exited)?.message).toMatch(/test server ended with status 3\..*\nouch$/s);
  });

  test("has the options of Node without which it may not end", async () => {
    const server = await start("report({ ready: true, url: process.execArgv.join() });");
    expect(await server.ready()).toBe(NODE_FLAGS.join());
    await server.kill();
  });

  test("is told when it cannot be understood", async () => {
    const server = await start(`writeSync(3, "hello\\n");`);
    await expect(server.ready()).rejects.toThrow(/not in its contract/);
    await server.kill();
  });

  test("did not end in order when its status is not 0", async () => {
    const server = await start(`process.on("SIGTERM", () => process.exit(5)); report({ ready: true, url: "x" });`);
    await server.ready();
    expect(await server.stop()).toBe(false);
  });

  test("ends when the process that holds it is killed, and keeps the lock until then", async () => {
    const parent = join(directory, "parent.ts");
    const child = join(directory, "server.cjs");
    await writeFile(child, `${SERVER} report({ ready: true, url: "x" }); setInterval(() => undefined, 1000);`);
    await writeFile(
      parent,
      `import { lockDirectory } from "${import.meta.dirname}/directory-lock.ts";
       import { ServerProcess } from "${import.meta.dirname}/server-process.ts";
       const lock = await lockDirectory(${JSON.stringify(directory)});
       const server = ServerProcess.start({ name: "s", args: [${JSON.stringify(child)}], env: {}, cwd: "/", lockFd: lock.fd });
       await server.ready();
       console.log("ready");`,
    );
    lock.release();
    const holder = spawn(process.execPath, [...NODE_FLAGS, parent], { stdio: ["ignore", "pipe", "inherit"] });
    await once(holder.stdout, "data");
    expect(await lockDirectory(directory)).toBeUndefined();
    holder.kill("SIGKILL");
    // The lock is free once the last process that inherited it is gone.
    expect(spawnSync("flock", ["--wait", "30", join(directory, "lock"), "true"]).status).toBe(0);
    lock = (await lockDirectory(directory))!;
    expect(lock).toBeDefined();
  });
});
