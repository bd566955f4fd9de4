import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pino } from "pino";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openHost } from "./host.ts";
import { ensureImages } from "./images/ensure.ts";
import type { BootImages } from "./images/images.ts";
import { newSandbox } from "./sandboxes/testing/new-sandbox.ts";
import { readSettings } from "./settings.ts";

const IMAGES = resolve(process.env.WARREN_TEST_IMAGES ?? "/var/lib/warren/images");
const REQUEST = newSandbox("sbaaaaaaaaaaaaaaaaaaaa");

describe("a microVM that does not come up", () => {
  let images: BootImages;
  let directory: string;
  beforeAll(async () => {
    const sourceRoot = resolve(import.meta.dirname, "../..");
    images = await ensureImages({ directory: IMAGES, sourceRoot, withNode: false, progress: () => undefined });
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "warren-host-"));
    return () => rm(directory, { recursive: true, force: true });
  });

  /** Tries to create a sandbox from other boot files; returns the error and sees that nothing of it is left. */
  async function create(boot: Partial<BootImages>, environment: NodeJS.ProcessEnv = {}): Promise<unknown> {
    const host = await openHost({
      dataDirectory: directory,
      settings: { ...readSettings(environment), spareSlots: 0, warmPool: 0 },
      images: { directory, boot: { ...images, ...boot } },
      log: pino({ level: "silent" }),
    });
    try {
      return await host.sandboxes.create(REQUEST).catch((error: unknown) => error);
    } finally {
      expect(host.sandboxes.list()).toEqual([]);
      await host.sandboxes.destroyAll();
      await host.slots.close();
      expect(await readdir(join(directory, "sandboxes"))).toEqual([]);
      expect(await readdir(join(directory, "disks"))).toEqual([]);
    }
  }

  it("is an error with the kernel's last words when the kernel panics", async () => {
    const initramfs = join(directory, "initramfs");
    await writeFile(initramfs, Buffer.alloc(4096, "junk"));
    const error = await create({ initramfs });
    expect(error).toMatchObject({ code: "boot_failed" });
    expect(String(error)).toContain("Kernel panic");
  });

  it("is an error with QEMU's words when the kernel is none", async () => {
    const vmlinux = join(directory, "vmlinux");
    await writeFile(vmlinux, "this is no kernel");
    const error = await create({ vmlinux });
    expect(error).toMatchObject({ code: "boot_failed" });
    expect(String(error)).toMatch(/kernel/i);
  });

  it("is an error once the limit for a boot is over", async () => {
    const error = await create({}, { WARREN_BOOT_LIMIT_SEC: "1" });
    expect(error).toMatchObject({ code: "boot_failed" });
    expect(String(error)).toContain("not ready within 1 s");
  });
});

it("tells who watches, at once, of a sandbox that ended by itself", async () => {
  const sourceRoot = resolve(import.meta.dirname, "../..");
  const boot = await ensureImages({ directory: IMAGES, sourceRoot, withNode: false, progress: () => undefined });
  const directory = await mkdtemp(join(tmpdir(), "warren-host-"));
  const host = await openHost({
    dataDirectory: directory,
    settings: { ...readSettings({ WARREN_COLD_BOOT: "1", WARREN_BOOT_LIMIT_SEC: "240" }), spareSlots: 0, warmPool: 0 },
    images: { directory: IMAGES, boot },
    log: pino({ level: "silent" }),
  });
  const stop = new AbortController();
  try {
    const changes = host.sandboxes.watch(stop.signal)[Symbol.asyncIterator]();
    expect((await changes.next()).value).toEqual([]);
    const sandbox = await host.sandboxes.create(REQUEST);
    const next = changes.next();
    process.kill(sandbox.live!.vm.process.pid, "SIGKILL");
    expect((await next).value).toEqual([REQUEST.id]);
    // Whether or not all that it held is gone by then.
    const told = [...host.sandboxes.list(), ...host.sandboxes.stopped()];
    expect(told).toMatchObject([{ id: REQUEST.id, status: "stopped", reason: { code: "microvm_lost" } }]);
  } finally {
    stop.abort();
    await host.sandboxes.destroyAll();
    await host.slots.close();
    await rm(directory, { recursive: true, force: true });
  }
});
