import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Stack, startStack } from "./support/stack.ts";
import { VolatileDisk } from "./support/volatile-disk.ts";

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
const look = async ({ id }: Sandbox) => (await stack.warren.sandboxes.get(id)).fields;
const held = { status: "paused", reason: { code: "host_disk_full" } };
const full = { code: "host_disk_full", status: 507 };

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
  await disk.fill();
  await expect(write(neighbour, 8)).rejects.toMatchObject(full);
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
