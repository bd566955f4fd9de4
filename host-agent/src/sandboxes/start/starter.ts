import { WarrenError } from "@warren/contracts/errors";
import { BASE_TEMPLATE } from "@warren/contracts/identifiers";
import type { Logger } from "pino";
import type { TemplateStore } from "../../templates/store.ts";
import type { DiskSpace } from "../capacity/disk-space.ts";
import { goneError, type Remover } from "../end/remover.ts";
import type { MicrovmRunner } from "../microvms/microvm-runner.ts";
import type { Journal } from "../record/journal.ts";
import type { NewSandbox } from "../record/new-sandbox.ts";
import type { InactivityTimers } from "../state/inactivity-timers.ts";
import type { SandboxRegistry } from "../state/registry.ts";
import { noteRunning } from "../state/running.ts";
import type { Sandbox } from "../state/sandbox.ts";
import { abortable } from "./abortable.ts";
import type { Admission } from "./admission.ts";
import type { SandboxFactory } from "./sandbox-factory.ts";
import type { WarmPool } from "./warm-pool.ts";

/** Gives the snapshot of the built-in template for a size of machine, which is made when there is none. */
export interface BaseTemplateSource {
  snapshot(size: { vcpus: number; memoryMb: number }): Promise<string>;
}

export interface StarterParts {
  journal: Journal;
  templates: TemplateStore;
  baseTemplate: BaseTemplateSource;
  registry: SandboxRegistry;
  factory: SandboxFactory;
  microvms: MicrovmRunner;
  remover: Remover;
  inactivity: InactivityTimers;
  warmPool: WarmPool;
  admission: Admission;
  space: DiskSpace;
  /** Whether sandboxes of the built-in template boot, rather than go on from its snapshot. */
  coldBoot: boolean;
  log: Logger;
}

/** Starts sandboxes: from snapshots, with the microVM of one that stands ready where there is one, or by booting them. */
export class Starter {
  readonly #parts: StarterParts;

  constructor(parts: StarterParts) {
    this.#parts = parts;
  }

  /** Starts a sandbox from the template that it asks for. */
  startFromTemplate(request: NewSandbox): Promise<Sandbox> {
    const { templates, baseTemplate, coldBoot } = this.#parts;
    const { teamId, spec } = request;
    if (spec.template === BASE_TEMPLATE) {
      return this.start(request, () => (coldBoot ? undefined : baseTemplate.snapshot(spec)));
    }
    const { vcpus, memoryMb, snapshot } = templates.get(teamId, spec.template);
    return this.start({ ...request, spec: { ...spec, vcpus, memoryMb } }, () => snapshot);
  }

  /**
   * Starts a sandbox from the snapshot that `find` gives, or by booting it when there is none, once there is room for it.
   * A failure leaves nothing of it.
   */
  async start(request: NewSandbox, find: () => Promise<string> | string | undefined): Promise<Sandbox> {
    const { factory, journal, microvms, remover, admission, space, log } = this.#parts;
    const sandbox = factory.make(request);
    const { lifecycle } = sandbox;
    await lifecycle.perform("create", async () => {
      try {
        await lifecycle.step("admission", async () => {
          await admission.require(sandbox);
          await space.requireLeft();
        });
        await lifecycle.step("journal", () => journal.create(sandbox.record));
        const found = () => abortable(Promise.resolve(find()), lifecycle.destroySignal);
        const snapshot = await lifecycle.step("snapshot", found);
        if (snapshot === undefined) await this.#boot(sandbox);
        else if (!(await this.#claim(sandbox, snapshot))) await microvms.restore(sandbox, snapshot);
        await noteRunning(this.#parts, sandbox);
      } catch (error) {
        log.warn({ sandbox: sandbox.id, err: error }, "sandbox did not start");
        await remover.remove(sandbox, new WarrenError("not_found", `sandbox ${sandbox.id} did not start`));
        throw error;
      }
    });
    return sandbox;
  }

  async #boot(sandbox: Sandbox): Promise<void> {
    const { microvms } = this.#parts;
    await microvms.boot(sandbox);
    await microvms.identify(sandbox);
  }

  /** Gives a sandbox the microVM of one that stands ready; false when none does, or it did not wake up. */
  async #claim(sandbox: Sandbox, snapshot: string): Promise<boolean> {
    const { journal, registry, microvms, warmPool, log } = this.#parts;
    const { record, lifecycle } = sandbox;
    const spare = await lifecycle.step("warm_pool", () => warmPool.take(snapshot, lifecycle.destroySignal));
    if (!spare) return false;
    const former = record.instance;
    try {
      microvms.handOver(spare, sandbox);
      registry.remove(spare);
      // One record follows the other: a crash between the two leaves both, and neither sandbox has been promised yet.
      await lifecycle.step("journal", async () => {
        await journal.write(record);
        await journal.remove(former);
      });
      await lifecycle.step("wake", async () => {
        await sandbox.live?.vm.prioritise();
        await sandbox.live?.vm.resume();
      });
      await microvms.identify(sandbox);
      return true;
    } catch (error) {
      lifecycle.destroySignal.throwIfAborted();
      log.warn({ sandbox: record.id, err: error }, "a sandbox of the warm pool did not wake up");
      await microvms.stop(sandbox, goneError(sandbox.id));
      return false;
    }
  }
}
