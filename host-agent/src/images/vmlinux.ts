import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { WarrenError } from "@warren/contracts/errors";
import type { Decompress } from "./decompress.ts";

// Fields of the x86 setup header (Linux, Documentation/arch/x86/boot.rst).
const SETUP_SECTS = 0x1f1;
const SETUP_MAGIC = 0x202;
const PROTOCOL_VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
/** The first protocol version with the two payload fields. */
const PAYLOAD_PROTOCOL = 0x0208;
const SECTOR = 512;
/** First bytes of a legacy frame, in which kernels are compressed (LZ4 Frame Format), little-endian. */
const LZ4_LEGACY_MAGIC = 0x184c2102;

/** Where the arm64 Image header has its magic (Linux, Documentation/arch/arm64/booting.rst). */
const ARM64_MAGIC = 0x38;

/**
 * The uncompressed kernel inside a `vmlinuz`: an ELF file on x86-64, an arm64 `Image` on arm64. A kernel that is not
 * compressed is returned as it is.
 */
export async function extractVmlinux(vmlinuz: Uint8Array, decompress: Decompress): Promise<Uint8Array> {
  const kernel = await unpack(payload(Buffer.from(vmlinuz)), decompress);
  if (!isElf(kernel) && !isArm64Image(kernel)) {
    throw unreadable("what is inside is neither an ELF file nor an arm64 Image");
  }
  return kernel;
}

function payload(vmlinuz: Buffer): Buffer {
  if (isZboot(vmlinuz)) {
    // EFI zboot header (Linux, drivers/firmware/efi/libstub/zboot-header.S): offset at 8, length at 12.
    return slice(vmlinuz, vmlinuz.readUInt32LE(8), vmlinuz.readUInt32LE(12));
  }
  if (vmlinuz.length < PAYLOAD_LENGTH + 4 || vmlinuz.toString("latin1", SETUP_MAGIC, SETUP_MAGIC + 4) !== "HdrS") {
    return vmlinuz;
  }
  if (vmlinuz.readUInt16LE(PROTOCOL_VERSION) < PAYLOAD_PROTOCOL)
    throw unreadable("its boot protocol is older than 2.08");
  // The protocol says that 0 stands for 4 sectors.
  const setupSectors = vmlinuz[SETUP_SECTS] || 4;
  const start = (setupSectors + 1) * SECTOR + vmlinuz.readUInt32LE(PAYLOAD_OFFSET);
  return slice(vmlinuz, start, vmlinuz.readUInt32LE(PAYLOAD_LENGTH));
}

async function unpack(data: Buffer, decompress: Decompress): Promise<Uint8Array> {
  if (data.length < 8) throw unreadable("it is cut short");
  // The kernel's build appends the decompressed size, 4 bytes, to all formats that do not end with it themselves.
  const withoutSize = data.subarray(0, -4);
  try {
    if (data.readUInt16BE(0) === 0x1f8b) return gunzipSync(data);
    if (data.readUInt32LE(0) === LZ4_LEGACY_MAGIC) return await decompress("lz4", withoutSize);
    if (data.readUInt32LE(0) === 0xfd2fb528) return zstdDecompressSync(withoutSize);
    if (data.toString("latin1", 0, 6) === "\xfd7zXZ\0") return await decompress("xz", withoutSize);
  } catch (error) {
    throw unreadable(`its payload cannot be decompressed (${error instanceof Error ? error.message : error})`);
  }
  return data;
}

function slice(data: Buffer, start: number, length: number): Buffer {
  if (start + length > data.length) throw unreadable("it is cut short");
  return data.subarray(start, start + length);
}

function isZboot(data: Buffer): boolean {
  return data.length > 64 && data.toString("latin1", 0, 2) === "MZ" && data.toString("latin1", 4, 8) === "zimg";
}

function isElf(data: Uint8Array): boolean {
  return Buffer.from(data.subarray(0, 4)).toString("latin1") === "\x7fELF";
}

function isArm64Image(data: Uint8Array): boolean {
  return Buffer.from(data.subarray(ARM64_MAGIC, ARM64_MAGIC + 4)).toString("latin1") === "ARM\x64";
}

function unreadable(why: string): WarrenError {
  return new WarrenError("image_build_failed", `The kernel image cannot be read: ${why}.`);
}
