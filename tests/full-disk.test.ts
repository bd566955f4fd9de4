import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, symlink } from "node:fs/promises";
import { join } from "node:path";
import { type Sandbox, Warren } from "@warren/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { killIfThere } from "./support/host-state.ts";
import { CACHE_DIRECTORY, IMAGES_DIRECTORY, type Stack, startStack, sweep } from "./support/stack.ts";
import { VolatileDisk } from "./support/volatile-disk.ts";
import { start } from "./support/warren-command.ts";

const MIB = 1024 * 1024;
const RESERVE_MB = 128;

let disk: VolatileDisk;
let stack: Stack;
beforeAll(async () => {
  disk = await VolatileDisk.make(1600 * MIB);
  const settings = { WARREN_WARM_POOL: "0", WARREN_SPARE_SLOTS: "1", WARREN_DISK_RESERVE_MB: String(RESERVE_MB) };
  stack = await startStack(settings, {}, disk.directory);
});
afterAll(async () => {
  await disk?.empty();
  await stack?.dispose();
  await disk?.dispose();
});

const write = (sandbox: Sandbox, mebibytes: number) =>
  sandbox.exec("sh", ["-c", `head -c ${mebibytes * MIB} /dev/zero | tr '\\0' x > big && sync && echo written`], {
    timeoutSec: 600,
  });
/**
 * Takes all space but root's, what the servers have given back meanwhile as well, and writes: the write ends with the error of a
 * full disk, or was done before the disk was full, and then the sandbox is held at a write of its own.
 */
const writeOnFull = async (sandbox: Sandbox) => {
  await disk.fill(0);
  return write(sandbox, 8).catch((error: unknown) => error);
};
const look = async ({ id }: Sandbox) => (await stack.warren.sandboxes.get(id)).fields;
const held = { status: "paused", reason: { code: "host_disk_full" } };
const full = { code: "host_disk_full", status: 507 };
/** What ends the writes: the disk that is full, or that the sandbox is held already. */
const ended = { code: expect.toBeOneOf([full.code, "invalid_state"]) };

it("a guest that fills the host's disk is held before anybody is harmed, and a disk that is full harms nobody for long", async () => {
  const [writer, neighbour] = await Promise.all([
    stack.warren.sandboxes.create({ memoryMb: 128 }),
    stack.warren.sandboxes.create({ memoryMb: 128 }),
  ]);
  await neighbour.exec("sh", ["-c", "echo kept > kept; sync"]);

  await disk.fill((RESERVE_MB + 64) * MIB);
  await expect(write(writer, 400)).rejects.toMatchObject(full);
  await expect.poll(() => look(writer), { timeout: 60_000 }).toMatchObject(held);
  expect((await write(neighbour, 1)).stdout).toBe("written\n");
  await expect(stack.warren.sandboxes.create({ memoryMb: 128 })).rejects.toMatchObject({ code: "host_full" });

  // Another program of the host takes the rest.
  await expect.poll(() => writeOnFull(neighbour), { timeout: 120_000 }).toMatchObject(ended);
  await expect.poll(() => look(neighbour), { timeout: 60_000 }).toMatchObject(held);
  expect((await fetch(`${stack.url}/health`)).status).toBe(200);
  expect(await stack.hostAgent.stop()).toBe(0);
  await stack.startHostAgent();
  await writer.destroy();

  await disk.empty();
  await expect.poll(async () => (await look(neighbour)).status, { timeout: 60_000 }).toBe("running");
  const unharmed = "cat kept; dmesg | grep -ci 'i/o error'; touch more && echo writable";
  expect((await neighbour.exec("sh", ["-c", unharmed], { user: "root", cwd: "/home/user" })).stdout).toBe(
    "kept\n0\nwritable\n",
  );

  await disk.fill();
  expect(await stack.controlPlane.stop()).toBe(0);
});

/** Servers of a data directory: it is in the arguments of the one and in the environment of the other. */
const serversOf = (directory: string) =>
  readdirSync("/proc").filter((pid) => {
    try {
      const of = ["cmdline", "environ"].map((file) => readFileSync(`/proc/${pid}/${file}`, "latin1")).join("\0");
      return /host-agent|control-plane/.test(of) && of.includes(directory);
    } catch {
      return false;
    }
  });

it("warren up that is killed while the disk is full leaves no server, and the next one has everything", async () => {
  await disk.empty();
  const directory = await mkdtemp(join(disk.directory, "up-"));
  await symlink(IMAGES_DIRECTORY, join(directory, "images"));
  await symlink(CACHE_DIRECTORY, join(directory, "cache"));
  const env = { WARREN_WARM_POOL: "0", WARREN_SPARE_SLOTS: "1", WARREN_DISK_RESERVE_MB: String(RESERVE_MB) };
  const started: number[] = [];
  const up = async () => {
    const running = start(["up", "--data-dir", directory, "--listen", "127.0.0.1:0", "--json"], { env });
    started.push(running.pid);
    const { url, api_key: apiKey } = JSON.parse(await running.printed("\n"));
    return { ...running, warren: new Warren({ url, apiKey }) };
  };
  try {
    const first = await up();
    const { id } = await first.warren.sandboxes.create({ memoryMb: 128 });
    const sandbox = await first.warren.sandboxes.get(id);
    await sandbox.exec("sh", ["-c", "echo kept > kept; sync"]);
    await expect.poll(() => writeOnFull(sandbox), { timeout: 120_000 }).toMatchObject(ended);
    expect(serversOf(directory).length).toBeGreaterThanOrEqual(2);
    process.kill(first.pid, "SIGKILL");
    await first.ended;
    await expect.poll(() => serversOf(directory), { timeout: 60_000 }).toEqual([]);
    first.warren.close();

    const second = await up();
    await disk.empty();
    const status = async () => (await second.warren.sandboxes.get(id)).fields.status;
    await expect.poll(status, { timeout: 60_000 }).toBe("running");
    expect((await (await second.warren.sandboxes.get(id)).exec("cat", ["kept"])).stdout).toBe("kept\n");
    expect((await write(await second.warren.sandboxes.get(id), 1)).stdout).toBe("written\n");
    second.warren.close();
    process.kill(second.pid, "SIGTERM");
    await second.ended;
  } finally {
    started.forEach(killIfThere);
    await disk.empty();
    await expect.poll(() => serversOf(directory), { timeout: 60_000 }).toEqual([]);
    await sweep(directory);
  }
});
