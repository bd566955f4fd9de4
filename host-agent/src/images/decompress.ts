import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunTool } from "./tool.ts";

/** Decompresses data of a format for which Node has no decoder. */
export type Decompress = (format: "xz" | "lz4", data: Uint8Array) => Promise<Uint8Array>;

/** Decompresses by the program of the format, with files of a directory that its caller removes. */
export function decompressor(runTool: RunTool, scratch: string): Decompress {
  let files = 0;
  return async (format, data) => {
    const path = join(scratch, `data-${files++}`);
    const packed = `${path}.${format}`;
    await writeFile(packed, data);
    if (format === "xz") await runTool("xz", ["--decompress", packed]);
    else await runTool("lz4", ["-q", "--decompress", packed, path]);
    return readFile(path);
  };
}
