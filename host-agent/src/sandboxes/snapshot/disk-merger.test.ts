import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { DiskLayers } from "../../disk/layers.ts";
import { createQcow2Store } from "../../disk/qcow2/store.ts";
import { MemoryStore } from "../../memory/store/store.ts";
import { SnapshotStore } from "../../snapshots/store.ts";
import { Journal, type SandboxRecord } from "../record/journal.ts";
import { DiskMerger } from "./disk-merger.ts";

const run = promisify(execFile);
const MIB = 1024 * 1024;
const SECRET = "secret of the host".padEnd(4096, ".");

test("a layer that was made to name a file of the host gets none of it into the disk", async () => {
  const folder = await mkdtemp(join(tmpdir(), "warren-merger-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const base = { path: join(folder, "base.raw"), format: "raw" as const, virtualSize: MIB };
  writeFileSync(base.path, Buffer.alloc(MIB));
  const disks = await DiskLayers.open(folder, createQcow2Store());
  const { store: snapshots } = await SnapshotStore.open(folder, await MemoryStore.open(join(folder, "memory")), disks);
  const layers = Array.from({ length: 9 }, () => disks.newId());
  for (const [index] of layers.entries()) {
    await disks.createTop({ layers: layers.slice(layers.length - 1 - index), base });
  }
  // The top of a VMM that a guest has taken over: its content is that of another file.
  const secret = join(folder, "secret");
  const options = `data_file=${secret},data_file_raw=on,cluster_size=128k,extended_l2=on`;
  const top = disks.path(layers[0]!);
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-o", options, top, String(MIB)]);
  await run("qemu-io", ["-f", "qcow2", "-c", `write -P 1 0 ${MIB}`, top]);
  writeFileSync(secret, SECRET.repeat(MIB / SECRET.length));

  const journal = new Journal(folder);
  const snapshot = "0".repeat(32);
  const record = { id: "sb", instance: "sb", disk: { layers, base }, snapshot } as SandboxRecord;
  await journal.create(record);
  const merging = new DiskMerger(disks, snapshots).mergeIfDeep(record, journal);
  await expect(merging).rejects.toMatchObject({ message: expect.stringContaining("external data file") });
  expect(record.disk.layers).toEqual(layers);
  for (const name of await readdir(join(folder, "disks"))) {
    expect(readFileSync(join(folder, "disks", name)).includes("secret of the host"), name).toBe(false);
  }
});
