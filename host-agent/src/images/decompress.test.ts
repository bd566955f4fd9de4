import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { decompressor } from "./decompress.ts";
import { toolRunner } from "./tool.ts";

const TEXT = Array.from({ length: 8 }, (_, index) => `Warren boots microVMs. ${"a".repeat(index * 7)}`).join("");
/** The text, written by `lz4 -l -9` (lz4 1.9.4): a legacy frame, as kernels have. */
const LZ4 = "AiFMGEAAAAD/CFdhcnJlbiBib290cyBtaWNyb1ZNcy4gFwAEEmEBAA8eAAsPJQASDywAGQ8zACAPOgAnD0EAUXBhYWFhYWFh";

async function decompressorOfTest() {
  const scratch = await mkdtemp(join(tmpdir(), "warren-decompress-"));
  onTestFinished(() => rm(scratch, { recursive: true }));
  return decompressor(toolRunner(), scratch);
}

test("reads the frames that kernels are compressed in, one after the other", async () => {
  const decompress = await decompressorOfTest();
  const frame = Buffer.from(LZ4, "base64");
  expect(String(await decompress("lz4", frame))).toBe(TEXT);
  expect(String(await decompress("lz4", Buffer.concat([frame, frame])))).toBe(TEXT + TEXT);
});

test.each(["lz4", "xz"] as const)("says that damaged %s data cannot be read", async (format) => {
  const decompress = await decompressorOfTest();
  await expect(decompress(format, Buffer.from("no data of it"))).rejects.toMatchObject({ code: "image_build_failed" });
});
