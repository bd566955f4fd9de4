import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { DiskLayers } from "../../disk/layers.ts";
import { createQcow2Store } from "../../disk/qcow2/store.ts";
import { MemoryStore } from "../../memory/store/store.ts";
import { newManifest } from "../../snapshots/manifest.ts";
import { SnapshotStore } from "../../snapshots/store.ts";
import { Journal, type SandboxRecord } from "../record/journal.ts";
import { DiskMerger } from "./disk-merger.ts";

const run = promisify(execFile);
const MIB = 1024 * 1024;
const SECRET = "secret of the host".padEnd(4096, ".");

/** A disk of nine layers over one megabyte of zeros, with the stores around it. */
async function useDeepDisk() {
  const folder = await mkdtemp(join(tmpdir(), "warren-merger-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const base = { path: join(folder, "base.raw"), format: "raw" as const, virtualSize: MIB };
  writeFileSync(base.path, Buffer.alloc(MIB));
  const disks = await DiskLayers.open(folder, createQcow2Store());
  const memory = await MemoryStore.open(join(folder, "memory"));
  const { store: snapshots } = await SnapshotStore.open(folder, memory, disks);
  const layers = Array.from({ length: 9 }, () => disks.newId());
  for (const [index] of layers.entries()) {
    await disks.createTop({ layers: layers.slice(layers.length - 1 - index), base });
  }
  const record = { id: "sb", instance: "sb", disk: { layers, base }, snapshot: "0".repeat(32) } as SandboxRecord;
  const journal = new Journal(folder);
  await journal.create(record);
  /** Does to a disk what `qemu-io` is told. */
  const perform = async (chain: readonly string[], ...commands: string[]) => {
    const { stdout } = await run("qemu-io", [...commands.flatMap((command) => ["-c", command]), nodeOf(chain)]);
    return stdout;
  };
  const nodeOf = (chain: readonly string[]) => {
    const raw = { driver: "raw", file: { driver: "file", filename: base.path } };
    const node = chain.reduceRight<object>(
      (backing, id) => ({ driver: "qcow2", file: { driver: "file", filename: disks.path(id) }, backing }),
      raw,
    );
    return `json:${JSON.stringify(node)}`;
  };
  return { folder, base, disks, snapshots, layers, record, journal, perform, nodeOf };
}

test("a disk that is merged holds what each of its layers held, and shares the lowest", async () => {
  const { disks, snapshots, layers, record, journal, perform, nodeOf, base } = await useDeepDisk();
  // The lowest first, each of which writes a block of its own, over a part of the one before, and clears one of that.
  for (const [index, _] of layers.entries()) {
    const chain = layers.slice(layers.length - 1 - index);
    const at = index * 64;
    await perform(chain, `write -P ${index + 1} ${at}k 72k`);
    if (index > 0) await perform(chain, `write -z ${at - 8}k 4k`);
  }
  const before = join(dirname(base.path), "before.raw");
  await run("qemu-img", ["convert", "-O", "raw", nodeOf(layers), before]);
  // The top holds nothing, as after a copy that did not come about.
  const empty = disks.newId();
  record.disk = { base, layers: [empty, ...layers] };
  await disks.createTop(record.disk);
  const shape = { vmm: "none", accelerator: "tcg" as const, cpu: "none", vcpus: 1, memoryMb: 1 };
  const id = record.snapshot!;
  const manifest = { id, createdAt: 0, shape, memory: "1".repeat(32), disk: record.disk, token: "" };
  await snapshots.publish(newManifest(manifest), new Uint8Array());

  await new DiskMerger(disks, snapshots).mergeIfDeep(record, journal);
  expect(record.disk.layers).toHaveLength(2);
  expect(record.disk.layers[1]).toBe(layers.at(-1));
  expect(snapshots.get(id).disk.layers).toEqual(record.disk.layers);
  await run("qemu-img", ["compare", "-F", "raw", nodeOf(record.disk.layers), before]);
  await run("qemu-img", ["check", "-q", "-f", "qcow2", disks.path(record.disk.layers[0]!)]);
});

test("a layer that was made to name a file of the host gets none of it into the disk", async () => {
  const { folder, disks, snapshots, layers, record, journal } = await useDeepDisk();
  // The top of a VMM that a guest has taken over: its content is that of another file.
  const secret = join(folder, "secret");
  const options = `data_file=${secret},data_file_raw=on,cluster_size=128k,extended_l2=on`;
  const top = disks.path(layers[0]!);
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-o", options, top, String(MIB)]);
  await run("qemu-io", ["-f", "qcow2", "-c", `write -P 1 0 ${MIB}`, top]);
  writeFileSync(secret, SECRET.repeat(MIB / SECRET.length));

  const merging = new DiskMerger(disks, snapshots).mergeIfDeep(record, journal);
  await expect(merging).rejects.toMatchObject({ message: expect.stringContaining("external data file") });
  expect(record.disk.layers).toEqual(layers);
  for (const name of await readdir(join(folder, "disks"))) {
    expect(readFileSync(join(folder, "disks", name)).includes("secret of the host"), name).toBe(false);
  }
});
