import { randomBytes } from "node:crypto";
import type { DiskLayers } from "../../disk/layers.ts";
import type { BootImages } from "../../images/images.ts";
import type { SandboxRecord } from "../record/journal.ts";
import type { NewSandbox } from "../record/new-sandbox.ts";
import { DEFAULT_SPEC } from "../record/spec.ts";
import type { SandboxRegistry } from "../state/registry.ts";
import { Sandbox } from "../state/sandbox.ts";

export interface SandboxFactoryParts {
  registry: SandboxRegistry;
  disks: DiskLayers;
  /** Files that new sandboxes boot from. */
  images: () => BootImages;
}

/** Makes sandboxes that are about to start and are in nobody's journal yet. They are in the registry. */
export class SandboxFactory {
  readonly #parts: SandboxFactoryParts;

  constructor(parts: SandboxFactoryParts) {
    this.#parts = parts;
  }

  /** One that a caller has asked for. */
  make(request: NewSandbox): Sandbox {
    return this.#make(request, "sandbox");
  }

  /** One that nobody has asked for: for the warm pool, or to make a built-in template of. */
  makeUnclaimed(purpose: "pool" | "template", { vcpus, memoryMb }: { vcpus: number; memoryMb: number }): Sandbox {
    const id = `sb${[...randomBytes(20)].map((byte) => "abcdefghijklmnopqrstuvwxyz234567"[byte & 31]).join("")}`;
    return this.#make({ id, teamId: "", spec: { ...DEFAULT_SPEC, vcpus, memoryMb }, env: {} }, purpose);
  }

  #make({ env, ...request }: NewSandbox, purpose: SandboxRecord["purpose"]): Sandbox {
    const { registry, images, disks } = this.#parts;
    const { vmlinux, initramfs, base } = images();
    const now = Date.now();
    const record: SandboxRecord = {
      version: 2,
      ...request,
      instance: request.id,
      purpose,
      status: "starting",
      createdAt: now,
      lastActiveAt: now,
      // The built-in template has none, like a guest that has just booted: there is nobody in it to keep out.
      token: purpose === "template" ? "" : randomBytes(24).toString("hex"),
      disk: { layers: [disks.newId()], base },
      ownSnapshot: false,
      boot: { kernel: vmlinux, initramfs },
    };
    const sandbox = new Sandbox(record, env);
    registry.add(sandbox);
    return sandbox;
  }
}
