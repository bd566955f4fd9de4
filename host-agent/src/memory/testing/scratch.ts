import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { MemoryStore, type MemoryStoreOptions } from "../store/store.ts";

/** Few buffers, so that opening a store costs a test little. */
const FEW_BUFFERS = { captureBuffers: 2, backgroundBuffers: 1 };

/** A directory that is removed when the test ends. */
export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "warren-memory-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A store in a directory that is removed when the test ends. */
export async function scratchStore(options: MemoryStoreOptions = {}): Promise<MemoryStore> {
  return MemoryStore.open(join(await scratchDirectory(), "memory"), { ...FEW_BUFFERS, ...options });
}

/** The store again, as another process would find it. */
export async function reopened(store: MemoryStore, options: MemoryStoreOptions = {}): Promise<MemoryStore> {
  return MemoryStore.open(store.directory, { files: store.files, ...FEW_BUFFERS, ...options });
}
