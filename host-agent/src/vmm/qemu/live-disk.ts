import { closeSync, constants, openSync } from "node:fs";
import { WarrenError } from "@warren/contracts/errors";
import type { DiskLayer } from "../../disk/disk.ts";
import { diskNodes } from "./disk-nodes.ts";
import type { QmpClient } from "./qmp.ts";

/**
 * Puts an empty layer above the top of the disk of a stopped microVM, which from then on takes all writes; the former
 * top is only read. The file is passed as a descriptor, since the process sees none of the host's files.
 */
export async function stackLayer(qmp: QmpClient, { path, format }: DiskLayer, signal: AbortSignal): Promise<void> {
  const [device] = await qmp.execute("query-block", {}, signal);
  const top = device?.inserted?.["node-name"];
  if (top === undefined) throw new WarrenError("agent_error", "QEMU does not know the disk of its microVM");
  const sets = await qmp.execute("query-fdsets", {}, signal);
  const fdset = Math.max(...sets.map((set) => set["fdset-id"])) + 1;
  await passFile(qmp, path, constants.O_RDWR, fdset, signal);
  // QEMU opens the layer for reading only when it is no longer the top.
  await passFile(qmp, path, constants.O_RDONLY, fdset, signal);
  const name = `layer-${fdset}`;
  const { file, layer } = diskNodes({ format, name, fdset, writable: true, backing: null });
  await qmp.execute("blockdev-add", file, signal);
  await qmp.execute("blockdev-add", layer, signal);
  await qmp.execute("blockdev-snapshot", { node: top, overlay: name }, signal);
}

async function passFile(
  qmp: QmpClient,
  path: string,
  flags: number,
  fdset: number,
  signal: AbortSignal,
): Promise<void> {
  const fd = openSync(path, flags);
  try {
    await qmp.execute("add-fd", { "fdset-id": fdset }, signal, fd);
  } finally {
    closeSync(fd);
  }
}
