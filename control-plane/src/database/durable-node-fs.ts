import { closeSync, fsyncSync, openSync } from "node:fs";
import { PGlite } from "@electric-sql/pglite";
import type { NodeFS } from "@electric-sql/pglite/nodefs";
import { PrivateNodeFs } from "./private-node-fs.ts";

/**
 * PGlite starts PostgreSQL with `-F`, which turns fsync off; without it, and with fsync(2) in place of fdatasync(2),
 * which its runtime ignores, a committed transaction is on the disk.
 */
export const DURABLE_START_PARAMETERS = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== "-F"),
  "-c",
  "wal_sync_method=fsync",
];

/** An open file or directory of the runtime's file system. */
interface Stream {
  /** Descriptor of the host, for files. */
  nfd?: number;
  node: unknown;
}

/** The part of the runtime's file system that keeps files on the host (Emscripten's NODEFS). */
interface HostFiles {
  stream_ops: { fsync?: (stream: Stream) => number };
  realPath(node: unknown): string;
}

/** Files of the host, whose fsync PGlite's runtime would otherwise skip. */
export class DurableNodeFs extends PrivateNodeFs {
  override async init(...parameters: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const { emscriptenOpts } = await super.init(...parameters);
    const preRun = [emscriptenOpts.preRun ?? []].flat();
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...preRun, (runtime: object) => addFsync(runtime)] } };
  }
}

function addFsync(runtime: object): void {
  const { NODEFS: files } = runtime as { NODEFS: HostFiles };
  files.stream_ops.fsync = (stream) => {
    if (stream.nfd !== undefined) fsyncSync(stream.nfd);
    else syncDirectory(files.realPath(stream.node));
    return 0;
  };
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
