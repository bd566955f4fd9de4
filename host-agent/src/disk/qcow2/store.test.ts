import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { BaseImage, DiskImage } from "../disk.ts";
import { readQcow2Header } from "./header.ts";
import { createQcow2Store } from "./store.ts";

const run = promisify(execFile);
const MIB = 1024 * 1024;
const store = createQcow2Store();

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "warren-disk-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A raw base of random bytes. */
function randomBase(folder: string, bytes = 4 * MIB): BaseImage & { content: Buffer } {
  const content = randomBytes(bytes);
  const path = join(folder, "base.raw");
  writeFileSync(path, content);
  return { path, format: "raw", virtualSize: bytes, content };
}

/** A disk of an empty layer over a base. */
async function create(path: string, base: BaseImage): Promise<DiskImage> {
  return stack(path, { layers: [{ path: base.path, format: base.format }] }, base.virtualSize);
}

/** A disk with an empty layer above another disk. */
async function stack(path: string, below: DiskImage, virtualSize: number): Promise<DiskImage> {
  await store.create(path, { path: "/nowhere", format: "raw", virtualSize });
  return { layers: [{ path, format: "qcow2" }, ...below.layers] };
}

/** The options with which qemu-img and qemu-io open a disk as the QEMU driver does: each layer over the one below it. */
function opened({ layers }: DiskImage): string {
  const nest = (index: number): object => {
    const layer = layers[index];
    if (layer === undefined) throw new Error("a disk without layers");
    const file = { driver: "file", filename: layer.path };
    if (layer.format === "raw") return { driver: "raw", file };
    return { driver: "qcow2", file, backing: index + 1 < layers.length ? nest(index + 1) : null };
  };
  return `json:${JSON.stringify(nest(0))}`;
}

async function io(disk: DiskImage, ...commands: string[]): Promise<void> {
  const args = commands.flatMap((command) => ["-c", command]);
  const { stdout } = await run("qemu-io", ["-d", "unmap", ...args, opened(disk)]);
  if (/error|failed/i.test(stdout)) throw new Error(stdout);
}

/** Everything that a guest would read. */
async function contentOf(disk: DiskImage, folder: string): Promise<Buffer> {
  const path = join(folder, `content-${randomBytes(4).toString("hex")}`);
  await run("qemu-img", ["convert", "-O", "raw", opened(disk), path]);
  return readFileSync(path);
}

/** Compares as bytes: element by element takes minutes. */
function expectSame(content: Buffer, expected: Buffer): void {
  expect(content.length).toBe(expected.length);
  expect(content.equals(expected)).toBe(true);
}

/** Fails when qemu-img finds an error or a leaked cluster. */
async function check(path: string): Promise<void> {
  await run("qemu-img", ["check", "-f", "qcow2", path]);
}

test.each([512, MIB, 4 * MIB, 1024 ** 3, 10 * 1024 ** 3 + 512, 2 * 1024 ** 4])(
  "an empty layer of %d bytes is sound to qemu-img",
  async (virtualSize) => {
    const path = join(temporaryFolder(), "layer.qcow2");
    await store.create(path, { path: "/nowhere", format: "raw", virtualSize });
    await check(path);
    const info = JSON.parse((await run("qemu-img", ["info", "-f", "qcow2", "--output=json", path])).stdout);
    expect(info).toMatchObject({ "virtual-size": virtualSize, format: "qcow2", "dirty-flag": false });
    expect(info["backing-filename"]).toBeUndefined();
    expect((await readQcow2Header(path)).virtualSize).toBe(virtualSize);
    expect(await store.allocatedBytes(path)).toBeLessThanOrEqual(16 * 1024);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  },
);

test("an empty layer reads as its base, and as zeros beyond it", async () => {
  const folder = temporaryFolder();
  const base = randomBase(folder);
  const disk = await create(join(folder, "layer.qcow2"), { ...base, virtualSize: 6 * MIB });
  expect(disk.layers.map(({ format }) => format)).toEqual(["qcow2", "raw"]);
  expectSame(await contentOf(disk, folder), Buffer.concat([base.content, Buffer.alloc(2 * MIB)]));
});

test("three layers read right, each with writes, zeros and holes of its own", async () => {
  const folder = temporaryFolder();
  const base = randomBase(folder);
  const expected = Buffer.from(base.content);
  const first = await create(join(folder, "first.qcow2"), base);
  await io(first, "write -P 0x11 0 1M", "write -P 0x12 1500k 4k");
  expected.fill(0x11, 0, MIB).fill(0x12, 1500 * 1024, 1504 * 1024);
  const second = await stack(join(folder, "second.qcow2"), first, base.virtualSize);
  await io(second, "write -P 0x21 512k 4k", "write -z 700k 36k", "write -P 0x22 3M 100k");
  expected
    .fill(0x21, 512 * 1024, 516 * 1024)
    .fill(0, 700 * 1024, 736 * 1024)
    .fill(0x22, 3 * MIB, 3 * MIB + 100 * 1024);
  const before = readFileSync(join(folder, "second.qcow2"));
  const third = await stack(join(folder, "third.qcow2"), second, base.virtualSize);
  await io(third, "write -P 0x31 514k 512", "write -P 0x32 701k 1k", "discard 3M 128k");
  expected
    .fill(0x31, 514 * 1024, 514 * 1024 + 512)
    .fill(0x32, 701 * 1024, 702 * 1024)
    .fill(0, 3 * MIB, 3 * MIB + 128 * 1024);
  expect(third.layers).toHaveLength(4);
  expectSame(await contentOf(third, folder), expected);
  // Layers below the top are as they were.
  expectSame(readFileSync(join(folder, "second.qcow2")), before);
  expectSame(readFileSync(base.path), base.content);
  for (const name of ["first", "second", "third"]) await check(join(folder, `${name}.qcow2`));
});

test("random writes over several layers read as those to a plain file", async () => {
  const folder = temporaryFolder();
  const base = randomBase(folder, 2 * MIB);
  const expected = Buffer.from(base.content);
  let disk: DiskImage = { layers: [{ path: base.path, format: "raw" }] };
  // A linear congruential generator: the same writes in every run.
  let state = 7;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  for (let layer = 0; layer < 5; layer++) {
    disk = await stack(join(folder, `${layer}.qcow2`), disk, base.virtualSize);
    const writes = Array.from({ length: 20 }, () => {
      const offset = random(2 * MIB - 70_000) & ~511;
      const length = (random(65_536) & ~511) + 512;
      const byte = random(256);
      expected.fill(byte, offset, offset + length);
      return byte === 0 ? `write -z ${offset} ${length}` : `write -P ${byte} ${offset} ${length}`;
    });
    await io(disk, ...writes);
    await check(join(folder, `${layer}.qcow2`));
  }
  expectSame(await contentOf(disk, folder), expected);
});

test("a small write allocates its own block, once the tables are there", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "layer.qcow2");
  const disk = await create(path, randomBase(folder));
  await io(disk, "write -P 1 1M 4k");
  const before = await store.allocatedBytes(path);
  await io(disk, "write -P 1 2M 4k", "write -P 1 3M 4k");
  expect((await store.allocatedBytes(path)) - before).toBeLessThanOrEqual(16 * 1024);
});

test("a layer is never made over a file that is there", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "layer.qcow2");
  writeFileSync(path, "precious");
  await expect(store.create(path, randomBase(folder))).rejects.toMatchObject({ code: "EEXIST" });
  expect(readFileSync(path, "utf8")).toBe("precious");
});

test.each([0, -512, 100, Number.NaN, 2 ** 60])("a disk of %d bytes is refused", async (virtualSize) => {
  const path = join(temporaryFolder(), "layer.qcow2");
  const made = store.create(path, { path: "/nowhere", format: "raw", virtualSize });
  await expect(made).rejects.toMatchObject({ code: expect.stringMatching(/invalid_request|too_large/) });
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a layer that was cut off, or is no layer, is refused by name", async () => {
  const folder = temporaryFolder();
  const base = randomBase(folder);
  const path = join(folder, "layer.qcow2");
  await store.create(path, base);
  await truncate(path, 100_000);
  await expect(readQcow2Header(path)).rejects.toMatchObject({ message: expect.stringMatching(`${path} .*cut off`) });
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", path, "1M"]);
  await expect(readQcow2Header(path)).rejects.toMatchObject({
    message: expect.stringContaining("names a backing file"),
  });
});

test("a layer and its name are made durable", async () => {
  const folder = temporaryFolder();
  await store.create(join(folder, "layer.qcow2"), randomBase(folder));
  await store.sync(join(folder, "layer.qcow2"));
  await expect(store.sync(join(folder, "missing.qcow2"))).rejects.toMatchObject({ code: "ENOENT" });
});
