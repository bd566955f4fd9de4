import { execFileSync } from "node:child_process";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { ARCHIVE_END, archiveMember, readArchive } from "./archive.ts";

const FILES = [
  { path: "empty", content: "" },
  { path: "a/block", content: "x".repeat(512) },
  { path: `long/${"n".repeat(95)}`, content: "ü\0\n".repeat(5000) },
];
const BYTES = Buffer.concat([
  ...FILES.map(({ path, content }) => archiveMember(path, Buffer.from(content), new Date(1_900_000_000_000))),
  ARCHIVE_END,
]);

describe("an archive of files", () => {
  it("is read as it was written, however it comes", async () => {
    for (const step of [1, 511, BYTES.length]) {
      const found = [];
      for await (const { path, type, mode, modifiedAt, content } of readArchive(inPieces(BYTES, step))) {
        found.push({ path, type, mode, modifiedAt, content: await text(content) });
      }
      expect(found).toEqual(FILES.map((file) => ({ ...file, type: "file", mode: 0o600, modifiedAt: 1_900_000_000 })));
    }
  });

  it("is one to tar(1)", () => {
    const listed = execFileSync("tar", ["--list", "--verbose", "--utc", "--file=-"], {
      input: BYTES,
      encoding: "utf8",
    });
    expect(listed.trim().split("\n")).toHaveLength(3);
    expect(listed).toMatch(/^-rw------- 0\/0 +512 2030-03-17 17:46 a\/block$/m);
  });
});

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
