import { WarrenError } from "@warren/contracts/errors";
import type { DiskChain } from "../disk/layers.ts";

const VERSION = 1;

/** The machine that a device state was saved on. A state can only be continued on one that is the same in all of this. */
export interface MachineShape {
  /** Name and version of the VMM. */
  vmm: string;
  accelerator: "kvm" | "tcg";
  /** Model of the host's processor where the guest sees it; under TCG the guest sees QEMU's own. */
  cpu: string;
  vcpus: number;
  /** MiB. */
  memoryMb: number;
}

/** A microVM at one instant, at rest on disk: device state, memory and disk of the same stop. */
export interface SnapshotManifest {
  version: typeof VERSION;
  /** 32 hexadecimal digits. */
  id: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  shape: MachineShape;
  /** Header in the memory store. */
  memory: string;
  disk: DiskChain;
  /** Token that the guest agent in it asks for, empty before its first init. */
  token: string;
  /** CRC-32 and length of the device state. */
  state: { crc32: number; bytes: number };
}

/** A manifest before its device state is written. */
export type ManifestDraft = Omit<SnapshotManifest, "state">;

/** Makes a manifest of its fields. */
export function newManifest(fields: Omit<ManifestDraft, "version">): ManifestDraft {
  return { version: VERSION, ...fields };
}

/** Parses a manifest and checks everything that a restore depends on. Throws `snapshot_damaged`. */
export function parseManifest(text: string, id: string): SnapshotManifest {
  let manifest: Partial<SnapshotManifest>;
  try {
    manifest = JSON.parse(text);
  } catch (error) {
    throw damaged(id, "its manifest is not JSON", error);
  }
  const { version, shape, memory, disk, token, state, createdAt } = manifest ?? {};
  if (version !== VERSION) throw damaged(id, `its manifest has version ${String(version)}, not ${VERSION}`);
  if (manifest.id !== id) throw damaged(id, `its manifest is that of ${String(manifest.id)}`);
  const isId = (value: unknown) => typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
  if (!isId(memory)) throw damaged(id, "its manifest names no memory");
  if (!Array.isArray(disk?.layers) || !disk.layers.every(isId)) throw damaged(id, "its manifest names no disk layers");
  if (typeof disk.base?.path !== "string" || !Number.isSafeInteger(disk.base.virtualSize)) {
    throw damaged(id, "its manifest names no base image");
  }
  if (typeof token !== "string") throw damaged(id, "its manifest has no token");
  if (!Number.isSafeInteger(state?.crc32) || !Number.isSafeInteger(state?.bytes)) {
    throw damaged(id, "its manifest does not describe the device state");
  }
  if (!Number.isSafeInteger(createdAt)) throw damaged(id, "its manifest has no time");
  for (const name of ["vmm", "accelerator", "cpu"] as const) {
    if (typeof shape?.[name] !== "string") throw damaged(id, `its manifest has no ${name}`);
  }
  for (const name of ["vcpus", "memoryMb"] as const) {
    if (!Number.isSafeInteger(shape?.[name])) throw damaged(id, `its manifest has no ${name}`);
  }
  return manifest as SnapshotManifest;
}

/** Throws `snapshot_incompatible` unless a state of the shape `saved` can be continued on `here`. */
export function requireSameShape(saved: MachineShape, here: MachineShape): void {
  const differences = (Object.keys(saved) as (keyof MachineShape)[])
    .filter((name) => saved[name] !== here[name])
    .map((name) => `${name} was ${JSON.stringify(saved[name])} and is ${JSON.stringify(here[name])} here`);
  if (differences.length === 0) return;
  throw new WarrenError(
    "snapshot_incompatible",
    `the snapshot was made on another kind of machine: ${differences.join("; ")}. Start it on a host of that kind`,
  );
}

/** The error of a snapshot that cannot be used. */
export function damaged(id: string, what: string, cause?: unknown): WarrenError {
  return new WarrenError("snapshot_damaged", `snapshot ${id} cannot be used: ${what}`, { cause });
}
