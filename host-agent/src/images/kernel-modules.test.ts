import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { WarrenError } from "@warren/contracts/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { temporaryFolder } from "../linux/testing/temporary-folder.ts";
import { moduleDependencies, selectModules } from "./kernel-modules.ts";
import { elfModule } from "./testing/elf-module.ts";

const plain = async (_format: string, data: Uint8Array) => data;

/** A folder lib/modules/RELEASE with modules that depend on others. */
async function tree(files: Record<string, Buffer>, builtIn: readonly string[] = []): Promise<string> {
  const folder = temporaryFolder();
  for (const [path, data] of Object.entries(files)) {
    await mkdir(join(folder, dirname(path)), { recursive: true });
    await writeFile(join(folder, path), data);
  }
  await writeFile(join(folder, "modules.builtin"), builtIn.map((path) => `${path}\n`).join(""));
  return folder;
}

const module = (...depends: string[]) => elfModule({ license: "GPL", depends: depends.join(","), name: "some" });
const required = (name: string) => ({ name, required: true });

async function namesOf(folder: string, wanted: { name: string; required: boolean }[]): Promise<string[]> {
  return (await selectModules(folder, wanted, plain)).map(({ name }) => name);
}

test("modules come after all that they depend on, once, and without what is built in", async () => {
  const folder = await tree(
    {
      "kernel/drivers/net/virtio_net.ko": module("virtio", "virtio_ring", "net-failover"),
      "kernel/net/core/failover.ko": module(),
      "kernel/drivers/net/net_failover.ko": module("failover"),
      "kernel/drivers/virtio/virtio.ko": module("virtio_ring"),
      "kernel/drivers/virtio/virtio_ring.ko": module(),
      "kernel/drivers/char/hw_random/virtio-rng.ko": module("virtio", "rng-core"),
      "kernel/drivers/usb/other.ko": module(),
    },
    ["kernel/drivers/char/hw_random/rng-core.ko", "kernel/fs/ext4/ext4.ko"],
  );
  const names = await namesOf(folder, [
    required("virtio_net"),
    required("ext4"),
    { name: "virtio_rng", required: false },
  ]);
  expect(names).toEqual(["virtio_ring", "virtio", "failover", "net_failover", "virtio_net", "virtio_rng"]);
});

test("compressed modules come out decompressed", async () => {
  const data = module();
  const folder = await tree({
    "kernel/a.ko.zst": zstdCompressSync(data),
    "kernel/b.ko.gz": gzipSync(data),
    "kernel/c.ko.xz": data,
  });
  const modules = await selectModules(folder, ["a", "b", "c"].map(required), plain);
  for (const { data: found } of modules) expect(Buffer.from(found).equals(data)).toBe(true);
});

test("a module that is missing is an error if a microVM needs it, by itself or through another", async () => {
  const folder = await tree({ "kernel/a.ko": module("gone") });
  expect(await namesOf(folder, [{ name: "absent", required: false }])).toEqual([]);
  await expect(namesOf(folder, [required("absent")])).rejects.toThrow("no module absent.");
  await expect(namesOf(folder, [required("a")])).rejects.toThrow("no module gone, which a needs.");
});

test("modules that need each other are an error", async () => {
  const folder = await tree({ "kernel/a.ko": module("b"), "kernel/b.ko": module("a") });
  await expect(namesOf(folder, [required("a")])).rejects.toThrow("needs itself");
});

test("a damaged module is an error with a code, or one with other dependencies", () => {
  const data = module("virtio", "virtio_ring");
  expect(moduleDependencies(data)).toEqual(["virtio", "virtio_ring"]);
  fc.assert(
    fc.property(fc.nat(data.length - 1), fc.nat(255), fc.nat(data.length), (at, value, length) => {
      const damaged = Buffer.from(data.subarray(0, length));
      if (at < length) damaged[at] = value;
      try {
        moduleDependencies(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(WarrenError);
      }
    }),
    { seed: 1, numRuns: 3000 },
  );
});
