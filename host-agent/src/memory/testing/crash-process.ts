/*
 * A process that works on a store until it kills itself with SIGKILL before, during or after one of its file
 * operations. Arguments: directory, seed. Before a header is published, its content is in expected/ID; what was
 * promised is in the file "log", one line each.
 */
import { openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type FileSystem, hostFiles, type StoredFile } from "../store/files.ts";
import { MemoryStore } from "../store/store.ts";
import { Random } from "./random.ts";
import { type Ledger, Workload } from "./workload.ts";

const LONGEST_LIFE = 250;

const [directory, seed] = process.argv.slice(2);
if (directory === undefined || seed === undefined) throw new Error("usage: crash-process DIRECTORY SEED");
const random = new Random(Number(seed));
let operationsLeft = random.below(LONGEST_LIFE);
const moment = random.pick(["before", "during", "after"]);

async function operation<T>(work: () => Promise<T>): Promise<T> {
  if (operationsLeft-- > 0) return work();
  if (moment !== "before") {
    const result = work();
    if (moment === "after") await result;
  }
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => undefined);
}

function mortal(file: StoredFile): StoredFile {
  return {
    read: (target, position) => operation(() => file.read(target, position)),
    write: (data, position) => operation(() => file.write(data, position)),
    truncate: (size) => operation(() => file.truncate(size)),
    sync: () => operation(() => file.sync()),
    size: () => file.size(),
    nextData: (position) => file.nextData(position),
    close: () => file.close(),
  };
}

const files: FileSystem = {
  create: async (path, options) => mortal(await operation(() => hostFiles.create(path, options))),
  open: async (path) => mortal(await operation(() => hostFiles.open(path))),
  rename: (from, to) => operation(() => hostFiles.rename(from, to)),
  remove: (path) => operation(() => hostFiles.remove(path)),
  list: (path) => operation(() => hostFiles.list(path)),
  makeDirectory: (path) => hostFiles.makeDirectory(path),
  syncDirectory: (path) => operation(() => hostFiles.syncDirectory(path)),
  stat: (path) => operation(() => hostFiles.stat(path)),
};

const log = openSync(join(directory, "log"), "a");
const expected = (id: string) => join(directory, "expected", id);
const ledger: Ledger = {
  content: (id) => readFileSync(expected(id)),
  publishing: (id, content) => writeFileSync(expected(id), content),
  published: (id) => void writeSync(log, `published ${id}\n`),
  releasing: (id) => void writeSync(log, `releasing ${id}\n`),
};

const store = await MemoryStore.open(join(directory, "memory"), {
  files,
  captureBuffers: 1 + random.below(2),
  backgroundBuffers: 1,
});
const workload = new Workload(store, random, ledger, await store.list());
for (;;) await workload.step();
