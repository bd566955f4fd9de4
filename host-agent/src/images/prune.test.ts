import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../linux/testing/temporary-folder.ts";
import type { BootImages } from "./images.ts";
import { pruneImages } from "./prune.ts";
import { ImageStore } from "./store.ts";

test("current images and those in use stay, all others go", async () => {
  const directory = temporaryFolder();
  const store = new ImageStore(directory, () => undefined);
  const make = async (name: string, version: string): Promise<string> => {
    const build = async (folder: string) => {
      await writeFile(join(folder, "file"), version);
      return {};
    };
    return join((await store.ensure({ name, inputs: { version }, build }, false)).path, "file");
  };
  const base = (path: string) => ({ path, format: "raw" as const, virtualSize: 0 });
  const kernel = await make("kernel", "2");
  const current: BootImages = {
    vmlinuz: kernel,
    vmlinux: kernel,
    kernelRelease: "2",
    initramfs: await make("initramfs", "2"),
    base: base(await make("base", "2")),
    node: base(await make("node", "2")),
  };
  const [used, ...unused] = [await make("base", "1"), await make("kernel", "1"), await make("node", "1")];
  await store.close();
  const removed = await pruneImages({ directory, current, inUse: new Set([used!]) });
  expect(removed.sort()).toEqual(unused.map((path) => join(path, "..")).sort());
  expect(await pruneImages({ directory, current, inUse: new Set() })).toEqual([join(used!, "..")]);
});
