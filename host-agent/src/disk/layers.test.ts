import { closeSync, linkSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { UNFINISHED } from "./copy.ts";
import { DiskLayers } from "./layers.ts";
import { readQcow2Header } from "./qcow2/header.ts";
import { createQcow2Store } from "./qcow2/store.ts";

const MIB = 1024 * 1024;
const base = { path: "/nowhere", format: "raw" as const, virtualSize: 16 * MIB };
/** Somewhere in the clusters of the guest. */
const WRITTEN = 5 * MIB;

let folder: string;
let layers: DiskLayers;
beforeEach(async () => {
  const made = await mkdtemp(join(tmpdir(), "warren-layers-"));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  folder = made;
  layers = await DiskLayers.open(folder, createQcow2Store());
});

/** A layer that a VMM has open for writing, and has written to. */
async function written(): Promise<{ id: string; path: string; write(text: string): void }> {
  const id = layers.newId();
  await layers.createTop({ layers: [id], base });
  const path = layers.path(id);
  const fd = openSync(path, "r+");
  onTestFinished(() => closeSync(fd));
  const write = (text: string) => void writeSync(fd, text, WRITTEN);
  write("first");
  return { id, path, write };
}

const promised: number[] = [];
const promise = async (bytes: number) => {
  promised.push(bytes);
  return () => void promised.push(-bytes);
};

test("a layer that is closed is one that its VMM no longer writes, and holds what it did", async () => {
  const { id, path, write } = await written();
  const before = readFileSync(path);
  const blocks = statSync(path).blocks;
  const former = join(folder, "former");
  await layers.close(id, former, promise);
  write("other");
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(readFileSync(former).toString("latin1", WRITTEN, WRITTEN + 5)).toBe("other");
  // What was a hole is one, and what the copy took was promised.
  expect(statSync(path).blocks).toBeLessThanOrEqual(blocks);
  expect(promised.splice(0)).toEqual([blocks * 512, -blocks * 512]);
});

test("a layer is closed once", async () => {
  const { id, path } = await written();
  await layers.close(id, join(folder, "former"), promise);
  const { ino } = statSync(path);
  await layers.close(id, join(folder, "former"), promise);
  expect(statSync(path).ino).toBe(ino);
});

test("a layer for whose copy there is no room stays what it is, and is closed when there is", async () => {
  const { id, path } = await written();
  const before = statSync(path);
  const full = layers.close(id, join(folder, "former"), async () => {
    throw new WarrenError("host_disk_full", "no room");
  });
  await expect(full).rejects.toMatchObject({ code: "host_disk_full" });
  expect(statSync(path).ino).toBe(before.ino);
  // As an attempt leaves it that ended half way.
  linkSync(path, join(folder, "former"));
  await layers.close(id, join(folder, "former"), promise);
  expect(statSync(path).ino).not.toBe(before.ino);
  expect(statSync(join(folder, "former")).ino).toBe(before.ino);
});

test("copies that an earlier process left unfinished are gone", async () => {
  const { id, path } = await written();
  writeFileSync(path + UNFINISHED, "half");
  await DiskLayers.open(folder, createQcow2Store());
  expect(await readdir(join(folder, "disks"))).toEqual([`${id}.qcow2`]);
});

test("a disk keeps its size, whatever a VMM made of the layers below", async () => {
  const below = layers.newId();
  await createQcow2Store().create(layers.path(below), { ...base, virtualSize: 1024 * MIB });
  const top = layers.newId();
  await layers.createTop({ layers: [top, below], base });
  expect((await readQcow2Header(layers.path(top))).virtualSize).toBe(base.virtualSize);
});
