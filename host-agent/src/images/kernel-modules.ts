import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { WarrenError } from "@warren/contracts/errors";
import type { Decompress } from "./decompress.ts";

/** Modules by which a microVM reaches its disk and network card, and those that serve it when the kernel has them. */
export const GUEST_MODULES: readonly WantedModule[] = [
  { name: "virtio_mmio", required: true },
  { name: "virtio_blk", required: true },
  { name: "ext4", required: true },
  { name: "virtio_net", required: true },
  { name: "virtio_rng", required: false },
];

export interface WantedModule {
  /** Name with underscores. */
  name: string;
  /** Without it no microVM boots. */
  required: boolean;
}

/** A kernel module, decompressed. */
export interface KernelModule {
  /** Name with underscores. */
  name: string;
  data: Uint8Array;
}

/**
 * Reads modules and all that they depend on, in the order in which they must be loaded. What is built into the kernel is
 * left out. `tree` is the folder lib/modules/RELEASE.
 */
export async function selectModules(
  tree: string,
  wanted: readonly WantedModule[],
  decompress: Decompress,
): Promise<KernelModule[]> {
  const files = await moduleFiles(tree);
  const builtIn = await builtInModules(tree);
  const selected = new Map<string, KernelModule>();
  const select = async (name: string, required: boolean, chain: readonly string[]): Promise<void> => {
    if (selected.has(name) || builtIn.has(name)) return;
    const file = files.get(name);
    if (file === undefined) {
      if (!required) return;
      const needer = chain.length > 0 ? `, which ${chain.at(-1)} needs` : "";
      throw new WarrenError("image_build_failed", `The kernel package has no module ${name}${needer}.`);
    }
    if (chain.includes(name)) throw new WarrenError("image_build_failed", `The kernel module ${name} needs itself.`);
    const data = await decompressModule(file, decompress);
    for (const dependency of moduleDependencies(data)) await select(dependency, true, [...chain, name]);
    selected.set(name, { name, data });
  };
  for (const { name, required } of wanted) await select(name, required, []);
  return [...selected.values()];
}

/** Names of the modules that a module needs, from its section .modinfo. */
export function moduleDependencies(module: Uint8Array): string[] {
  const field = modinfo(module).find((entry) => entry.startsWith("depends="));
  return (field?.slice("depends=".length) ?? "").split(",").filter(Boolean).map(canonical);
}

/** The entries `key=value` of the section .modinfo of an ELF file, 64 bit, little-endian (elf(5)). */
function modinfo(module: Uint8Array): string[] {
  const elf = Buffer.from(module.buffer, module.byteOffset, module.byteLength);
  try {
    if (elf.toString("latin1", 0, 6) !== "\x7fELF\x02\x01") throw new RangeError("not a 64-bit ELF file");
    const table = Number(elf.readBigUInt64LE(0x28));
    const entrySize = elf.readUInt16LE(0x3a);
    const count = elf.readUInt16LE(0x3c);
    const section = (index: number) => {
      const at = table + index * entrySize;
      const offset = Number(elf.readBigUInt64LE(at + 0x18));
      const size = Number(elf.readBigUInt64LE(at + 0x20));
      return { name: elf.readUInt32LE(at), bytes: elf.subarray(offset, offset + size) };
    };
    const names = section(elf.readUInt16LE(0x3e)).bytes;
    for (let index = 0; index < count; index++) {
      const { name, bytes } = section(index);
      if (names.toString("latin1", name, name + 9) === ".modinfo\0") return bytes.toString("utf8").split("\0");
    }
    throw new RangeError("no section .modinfo");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WarrenError("image_build_failed", `A file of the kernel package is not a kernel module: ${why}.`);
  }
}

async function moduleFiles(tree: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(tree, { withFileTypes: true, recursive: true })) {
    const match = /^(.+)\.ko(\.(xz|zst|gz))?$/.exec(entry.name);
    if (match && entry.isFile()) files.set(canonical(match[1]!), join(entry.parentPath, entry.name));
  }
  return files;
}

async function builtInModules(tree: string): Promise<Set<string>> {
  const list = await readFile(join(tree, "modules.builtin"), "utf8");
  const names = list.split("\n").filter(Boolean);
  return new Set(names.map((path) => canonical(path.slice(path.lastIndexOf("/") + 1).replace(/\.ko$/, ""))));
}

async function decompressModule(file: string, decompress: Decompress): Promise<Uint8Array> {
  const data = await readFile(file);
  if (file.endsWith(".xz")) return decompress("xz", data);
  if (file.endsWith(".zst")) return zstdDecompressSync(data);
  return file.endsWith(".gz") ? gunzipSync(data) : data;
}

/** Module names mean the same with dashes and underscores. */
function canonical(name: string): string {
  return name.replaceAll("-", "_");
}
