import { gzipSync, zstdCompressSync } from "node:zlib";
import { WarrenError } from "@warren/contracts/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { extractVmlinux } from "./vmlinux.ts";

const ELF = Buffer.concat([Buffer.from("\x7fELF\x02\x01\x01", "latin1"), Buffer.from("kernel text ".repeat(500))]);
const IMAGE = Buffer.concat([Buffer.alloc(0x38), Buffer.from("ARM\x64"), Buffer.from("arm64 kernel ".repeat(100))]);

const noTool = async (): Promise<Uint8Array> => {
  throw new Error("no data was expected for which Node has no decoder");
};

/** The decompressed size, which the kernel's build appends. */
function withSize(data: Buffer, size: number): Buffer {
  const end = Buffer.alloc(4);
  end.writeUInt32LE(size);
  return Buffer.concat([data, end]);
}

/** A bzImage: one boot sector, `sectors` setup sectors, then code, the payload and more code. */
function bzImage(payload: Buffer, sectors = 2): Buffer {
  const setup = Buffer.alloc((sectors + 1) * 512, 0x90);
  setup[0x1f1] = sectors === 4 ? 0 : sectors;
  setup.write("HdrS", 0x202, "latin1");
  setup.writeUInt16LE(0x020f, 0x206);
  setup.writeUInt32LE(700, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([setup, Buffer.alloc(700, 0xcc), payload, Buffer.alloc(300, 0xcc)]);
}

function zboot(payload: Buffer): Buffer {
  const header = Buffer.alloc(64);
  header.write("MZ", 0, "latin1");
  header.write("zimg", 4, "latin1");
  header.writeUInt32LE(64, 8);
  header.writeUInt32LE(payload.length, 12);
  return Buffer.concat([header, payload, Buffer.alloc(100)]);
}

test.each([
  ["gzip", bzImage(gzipSync(ELF)), ELF],
  ["zstd", bzImage(withSize(zstdCompressSync(ELF), ELF.length)), ELF],
  ["no compression", bzImage(ELF), ELF],
  ["four setup sectors, written as 0", bzImage(gzipSync(ELF), 4), ELF],
  ["an ELF file outside", ELF, ELF],
  ["an arm64 Image", IMAGE, IMAGE],
  ["a gzipped arm64 Image", gzipSync(IMAGE), IMAGE],
  ["an EFI zboot arm64 Image", zboot(gzipSync(IMAGE)), IMAGE],
  ["a zstd EFI zboot arm64 Image", zboot(withSize(zstdCompressSync(IMAGE), IMAGE.length)), IMAGE],
])("finds the kernel in a vmlinuz with %s", async (_, vmlinuz, kernel) => {
  expect(Buffer.from(await extractVmlinux(vmlinuz, noTool)).equals(kernel)).toBe(true);
});

test.each([
  ["xz", "\xfd7zXZ\0 and so on"],
  ["lz4", "\x02\x21\x4c\x18 and so on"],
])("hands %s data without the appended size to the decoder", async (format, text) => {
  const data = Buffer.from(text, "latin1");
  const received: [string, Uint8Array][] = [];
  const decompress = async (name: string, part: Uint8Array) => {
    received.push([name, part]);
    return ELF;
  };
  expect(await extractVmlinux(bzImage(withSize(data, ELF.length)), decompress)).toBe(ELF);
  expect(received).toEqual([[format, data]]);
});

test.each([
  ["an empty file", Buffer.alloc(0)],
  ["something else", Buffer.from("#!/bin/sh\necho not a kernel\n")],
  ["something else inside", bzImage(gzipSync(Buffer.from("not a kernel".repeat(10))))],
  ["a format without a decoder", bzImage(Buffer.from("BZh91AY&SY and so on"))],
  ["a file cut short", bzImage(gzipSync(ELF)).subarray(0, 2300)],
])("says that %s is no kernel", async (_, vmlinuz) => {
  await expect(extractVmlinux(vmlinuz, noTool)).rejects.toMatchObject({
    code: "image_build_failed",
    message: expect.stringContaining("kernel image cannot be read"),
  });
});

test("damage anywhere is an error with a code, or a kernel", async () => {
  const image = bzImage(withSize(zstdCompressSync(ELF), ELF.length));
  await fc.assert(
    fc.asyncProperty(fc.nat(image.length - 1), fc.nat(255), fc.nat(image.length), async (at, value, length) => {
      const damaged = Buffer.from(image.subarray(0, length));
      if (at < length) damaged[at] = value;
      try {
        await extractVmlinux(damaged, noTool);
      } catch (error) {
        expect(error).toBeInstanceOf(WarrenError);
      }
    }),
    { seed: 1, numRuns: 1000 },
  );
});
