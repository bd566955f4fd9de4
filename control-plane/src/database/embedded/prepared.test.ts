import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { createLogger } from "../../logging.ts";
import { ensureCluster, type Preparation, prepareCluster } from "./prepared.ts";
import { ensureServerFiles } from "./server-files.ts";

const log = createLogger("silent");
let directory: string;
let cluster: string;
let preparation: Preparation;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-prepared-"));
  cluster = join(directory, "cluster");
  const { cacheDir } = inject("databases");
  preparation = { files: await ensureServerFiles(cacheDir), cacheDir, log };
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it("is made once for all who ask at the same time, and nothing half-made is left", async () => {
  const own = { ...preparation, cacheDir: join(directory, "cache") };
  await mkdir(join(own.cacheDir, "database"), { recursive: true });
  const prepared = await prepareCluster(preparation);
  await mkdir(join(own.cacheDir, "database", `${basename(prepared)}.left-by-another.tmp`));
  const [first, second] = await Promise.all([prepareCluster(own), prepareCluster(own)]);
  expect(second).toBe(first);
  expect(await readdir(join(own.cacheDir, "database"))).toHaveLength(1);
  expect(await prepareCluster(own)).toBe(first);
});

it("never replaces a cluster that exists", async () => {
  await mkdir(cluster);
  await writeFile(join(cluster, "mine"), "");
  await ensureCluster(cluster, preparation);
  expect(await readdir(cluster)).toEqual(["mine"]);
});

it("takes the place of what a process left that was ended while it made one", async () => {
  await mkdir(`${cluster}.0.tmp`);
  await ensureCluster(cluster, preparation);
  expect(await readdir(directory)).toEqual(["cluster"]);
});

it("says in words when the directory for temporary files cannot be used", async () => {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = join(directory, "nowhere");
  try {
    const made = prepareCluster({ ...preparation, cacheDir: join(directory, "cache") });
    await expect(made).rejects.toMatchObject({ code: "invalid_request", message: expect.stringContaining("TMPDIR") });
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
});
