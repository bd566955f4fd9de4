import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmergencySpace } from "@warren/server/emergency-space";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal, parseRecord, type SandboxRecord } from "./journal.ts";
import { DEFAULT_SPEC } from "./spec.ts";

const RECORD: SandboxRecord = {
  version: 2,
  id: "sbaaaaaaaaaaaaaaaaaaaa",
  instance: "sbaaaaaaaaaaaaaaaaaaaa",
  purpose: "sandbox",
  teamId: "team",
  spec: { ...DEFAULT_SPEC, memoryMb: 256 },
  status: "starting",
  createdAt: 1_700_000_000_000,
  token: "secret",
  lastActiveAt: 1_700_000_000_000,
  disk: { layers: ["0".repeat(32)], base: { path: "/b", format: "raw", virtualSize: 4096 } },
  ownSnapshot: false,
  boot: { kernel: "/k", initramfs: "/i" },
};

/** The same as it was written when the fields of the spec stood beside the others. */
const { spec: _, ...SHARED } = RECORD;
const SPEC_FIELDS = {
  template: "minimal",
  vcpus: 1,
  memoryMb: 256,
  timeoutSec: 0,
  onTimeout: "pause",
  autoResume: false,
};
const OLD_RECORD = { ...SHARED, ...SPEC_FIELDS, version: 1 };

describe("the journal", () => {
  let directory: string;
  let journal: Journal;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "warren-journal-"));
    journal = new Journal(directory);
    await journal.load();
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it("gives back what was written last", async () => {
    await journal.create(RECORD);
    await journal.write({ ...RECORD, status: "running", slot: 7, process: { pid: 12, startTicks: "345" } });
    const { records } = await new Journal(directory).load();
    expect(records).toEqual([{ ...RECORD, status: "running", slot: 7, process: { pid: 12, startTicks: "345" } }]);
  });

  it("reads why a sandbox is paused from records of version 0.1.0 too", async () => {
    const paused = { ...OLD_RECORD, status: "paused" as const, timeoutSec: 60, pausedBy: "inactivity" };
    const reason = { code: "inactivity", at: RECORD.lastActiveAt };
    expect(parseRecord(JSON.stringify(paused), RECORD.instance)).toMatchObject({ status: "paused", reason });
    const asked = { ...paused, pausedBy: "request" };
    expect(parseRecord(JSON.stringify(asked), RECORD.instance)).not.toHaveProperty("reason");
  });

  it("reads records of version 1, which have no spec, and writes them as those of today", async () => {
    const changed = { ...OLD_RECORD, vcpus: 2, timeoutSec: 60, onTimeout: "destroy", autoResume: true, slot: 3 };
    await journal.create(changed as unknown as SandboxRecord);
    const spec = { ...RECORD.spec, vcpus: 2, timeoutSec: 60, onTimeout: "destroy", autoResume: true };
    const { records } = await new Journal(directory).load();
    expect(records).toEqual([{ ...RECORD, spec, slot: 3 }]);
    await journal.write(records[0]!);
    expect((await new Journal(directory).load()).records).toEqual(records);
    const { memoryMb: _, ...damaged } = OLD_RECORD;
    expect(() => parseRecord(JSON.stringify(damaged), RECORD.id)).toThrow("no memoryMb");
  });

  it("holds no environment, and takes it out of records of version 0.1.0", async () => {
    await journal.create({ ...OLD_RECORD, env: { PASSWORD: "hunter2" } } as unknown as SandboxRecord);
    const { records } = await new Journal(directory).load();
    expect(records).toEqual([RECORD]);
    expect(await readFile(join(journal.directory(RECORD.id), "sandbox.json"), "utf8")).not.toContain("hunter2");
  });

  it("does not take a record for damaged that cannot be written without its environment", async () => {
    await journal.create({ ...OLD_RECORD, env: { PASSWORD: "hunter2" } } as unknown as SandboxRecord);
    const full = new EmergencySpace(directory);
    full.use = async () => {
      throw new Error("no space left");
    };
    await expect(new Journal(directory, full).load()).rejects.toThrow("no space left");
  });

  it("keeps tokens from other users of the host", async () => {
    await journal.create(RECORD);
    const path = join(journal.directory(RECORD.id), "sandbox.json");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(journal.directory(RECORD.id))).mode & 0o777).toBe(0o700);
  });

  it("leaves no temporary file behind", async () => {
    await journal.create(RECORD);
    expect(await readdir(journal.directory(RECORD.id))).toEqual(["sandbox.json"]);
  });

  it("names directories without a usable record and reads all others", async () => {
    await journal.create(RECORD);
    await mkdir(journal.directory("half-made"));
    await mkdir(journal.directory("damaged"));
    await writeFile(join(journal.directory("damaged"), "sandbox.json"), '{"version":1');
    const { records, unreadable } = await journal.load();
    expect(records.map(({ id }) => id)).toEqual([RECORD.id]);
    expect(unreadable.map(({ instance }) => instance).sort()).toEqual(["damaged", "half-made"]);
  });

  it("takes no sandbox for damaged whose record the disk does not give at the moment", async () => {
    await journal.create(RECORD);
    const path = join(journal.directory(RECORD.id), "sandbox.json");
    const kept = await readFile(path);
    await rm(path);
    // The memory of this process at address 0: the kernel answers EIO to whoever reads it.
    await symlink("/proc/self/mem", path);
    await expect(journal.load()).rejects.toMatchObject({
      message: expect.stringMatching(/^the record of the sandbox sba+ cannot be read: EIO.*nothing of it was changed/s),
    });
    await rm(path);
    await writeFile(path, kept);
    expect((await journal.load()).records).toEqual([RECORD]);
  });

  it("removes a sandbox with all its files, also twice", async () => {
    await journal.create(RECORD);
    await mkdir(join(journal.directory(RECORD.id), "jail"));
    await writeFile(join(journal.directory(RECORD.id), "jail", "state"), "x");
    await journal.remove(RECORD.id);
    await journal.remove(RECORD.id);
    expect((await journal.load()).records).toEqual([]);
  });

  it("refuses the record of another directory and of another version", async () => {
    expect(() => parseRecord(JSON.stringify(RECORD), "sbother")).toThrow("is that of");
    expect(() => parseRecord(JSON.stringify({ ...RECORD, version: 0 }), RECORD.id)).toThrow("version 0");
  });

  it.each([
    ["the record", { ...RECORD, version: 3 }],
    ["the spec", { ...RECORD, spec: { ...RECORD.spec, version: 2 } }],
  ])("does not take sandboxes of a newer Warren for damaged ones: %s", async (_, record) => {
    await journal.create(record as unknown as SandboxRecord);
    await expect(new Journal(directory).load()).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("a newer Warren"),
    });
  });

  it("refuses a record that is cut off at any byte", async () => {
    await journal.create(RECORD);
    const text = (await readFile(join(journal.directory(RECORD.id), "sandbox.json"), "utf8")).trimEnd();
    fc.assert(
      fc.property(fc.nat({ max: text.length - 1 }), (length) => {
        expect(() => parseRecord(text.slice(0, length), RECORD.id)).toThrow();
      }),
    );
  });
});
