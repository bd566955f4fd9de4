import { execFile } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { createLogger } from "../logging.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";
import { EmbeddedDatabase } from "./embedded/embedded-database.ts";

const run = promisify(execFile);
const MIB = 1024 * 1024;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-full-disk-"));
  await run("mount", ["-t", "tmpfs", "-o", "size=224m,nr_inodes=4000", "warren-test", directory]);
});
afterEach(async () => {
  await run("umount", ["--lazy", directory]);
  await rm(directory, { recursive: true });
});

/**
 * Takes all the space that is left, in one go: a statement of the server would have what is kept given up meanwhile, which then
 * was filled too.
 */
function fill(): void {
  const file = openSync(join(directory, "filler"), "a");
  try {
    for (const piece of [Buffer.alloc(MIB, 1), Buffer.alloc(4096, 1)]) {
      expect(() => {
        for (;;) writeSync(file, piece);
      }).toThrow("ENOSPC");
    }
  } finally {
    closeSync(file);
  }
}

it("a database that finds no place for its files at the start says that the disk is full", async () => {
  const options = { dataDir: directory, cacheDir: inject("databases").cacheDir, ephemeral: false };
  const start = () => EmbeddedDatabase.start(options, createLogger("silent"), () => undefined);
  await (await start()).close();
  const takeInodes = async () => {
    for (let count = 0; ; count++) await writeFile(join(directory, `filler-${count}`), "");
  };
  await expect(takeInodes()).rejects.toMatchObject({ code: "ENOSPC" });
  await expect(start()).rejects.toMatchObject({ code: "host_disk_full", message: expect.stringContaining("inodes") });
  for (const name of await readdir(directory)) if (name.startsWith("filler")) await rm(join(directory, name));
  await (await start()).close();
}, 120_000);

it("on a full disk reads are answered and writes refused, after what was kept is used; it goes on when there is space", async () => {
  const config = { dataDir: directory, cacheDir: inject("databases").cacheDir, ephemeral: false };
  const stack = await TestStack.start({ config });
  try {
    const { id } = await stack.createSandbox();
    const keys = (name: string) => stack.call("POST", "/v1/sandboxes", { env: { NAME: name } });
    fill();
    // What was kept is there for the first who needs it, whatever else has filled the disk.
    expect((await stack.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
    await expect(stat(join(directory, "database", "emergency-space"))).rejects.toMatchObject({ code: "ENOENT" });
    // The database may give up files of its log meanwhile.
    const refused = async () => {
      fill();
      return errorOf(await keys("a"));
    };
    await expect.poll(refused, { timeout: 60_000 }).toMatchObject({ status: 507, code: "host_disk_full" });
    expect((await stack.call("GET", "/v1/sandboxes")).status).toBe(200);
    expect((await fetch(`${stack.url}/health`)).status).toBe(200);
    await rm(join(directory, "filler"));
    expect((await keys("b")).status).toBe(201);
    expect((await stat(join(directory, "database", "emergency-space"))).blocks * 512).toBeGreaterThan(32 * MIB);
  } finally {
    await stack.close();
  }
}, 300_000);
