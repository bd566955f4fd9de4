import type { Logger } from "pino";
import type { BootImages } from "../../images/images.ts";
import type { BaseTemplates } from "../../templates/base-templates.ts";
import type { Vmm } from "../../vmm/vmm.ts";
import type { Remover } from "../end/remover.ts";
import type { MicrovmRunner } from "../microvms/microvm-runner.ts";
import { shapeOf } from "../microvms/shape.ts";
import type { Journal } from "../record/journal.ts";
import type { SandboxFactory } from "../start/sandbox-factory.ts";
import { WARM_UP, type WarmUpCommand, warmUp } from "../start/warm-up.ts";
import type { Snapshotter } from "./snapshotter.ts";

/**
 * What the built-in template holds ready in memory: the login shell and the programs that scripts are made of beside the
 * usual ones. Last, all is written to disk: the kernel would go on with it in each sandbox.
 */
const TEMPLATE_WARM_UP: readonly WarmUpCommand[] = [
  ...WARM_UP,
  { cmd: "bash", args: ["-lc", "ls / | cat; env echo; env true"] },
  { cmd: "sync", args: [] },
];

export interface BaseTemplateMakerParts {
  journal: Journal;
  vmm: Vmm;
  baseTemplates: BaseTemplates;
  factory: SandboxFactory;
  microvms: MicrovmRunner;
  snapshotter: Snapshotter;
  remover: Remover;
  /** Files that new sandboxes boot from. */
  images: () => BootImages;
  log: Logger;
}

/** Makes the built-in template, once for each size of machine. */
export class BaseTemplateMaker {
  readonly #parts: BaseTemplateMakerParts;

  constructor(parts: BaseTemplateMakerParts) {
    this.#parts = parts;
  }

  /** The snapshot of the built-in template for a size of machine, which is made of one that boots when there is none. */
  async snapshot(size: { vcpus: number; memoryMb: number }): Promise<string> {
    const images = this.#parts.images();
    const shape = await shapeOf(this.#parts.vmm, size);
    const files = [images.vmlinux, images.initramfs, images.base.path];
    return this.#parts.baseTemplates.ensure(shape, files, (id) => this.#make(size, id));
  }

  async #make(size: { vcpus: number; memoryMb: number }, snapshotId: string): Promise<void> {
    const { journal, factory, microvms, snapshotter, remover, log } = this.#parts;
    const sandbox = factory.makeUnclaimed("template", size);
    log.info({ vcpus: size.vcpus, memoryMb: size.memoryMb }, "booting the built-in template");
    try {
      await journal.create(sandbox.record);
      const { guest } = await microvms.boot(sandbox);
      // An identity is rehearsed with one that nobody uses: the next one finds its files and its code ready.
      await microvms.identify(sandbox);
      await warmUp(guest, TEMPLATE_WARM_UP);
      const copy = await snapshotter.stopAndCopy(sandbox);
      await copy.publish(snapshotId);
    } finally {
      await remover.remove(sandbox);
    }
  }
}
