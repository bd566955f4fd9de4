import { join } from "node:path";
import type { EmergencySpace } from "@warren/server/emergency-space";
import type { Logger } from "pino";
import type { BootImages } from "../images/images.ts";
import type { MemoryStore } from "../memory/store/store.ts";
import type { BaseTemplates } from "../templates/base-templates.ts";
import type { TemplateStore } from "../templates/store.ts";
import { TemplateBundler } from "../templates/transfer/bundler.ts";
import { TemplateFetcher } from "../templates/transfer/fetcher.ts";
import type { CapacityLimits } from "./capacity/capacity.ts";
import type { DiskSpace } from "./capacity/disk-space.ts";
import { GarbageCollector } from "./end/garbage-collector.ts";
import { Remover } from "./end/remover.ts";
import { Meter, type MeterParts } from "./metrics/meter.ts";
import { type MicrovmParts, MicrovmRunner } from "./microvms/microvm-runner.ts";
import { shapeOf } from "./microvms/shape.ts";
import { BaseTemplateMaker } from "./snapshot/base-template-maker.ts";
import { DiskMerger } from "./snapshot/disk-merger.ts";
import { Forker } from "./snapshot/forker.ts";
import { Pauser } from "./snapshot/pauser.ts";
import { Snapshotter } from "./snapshot/snapshotter.ts";
import { TemplateMaker } from "./snapshot/template-maker.ts";
import { Admission } from "./start/admission.ts";
import { SandboxFactory } from "./start/sandbox-factory.ts";
import { Spares } from "./start/spares.ts";
import { Starter } from "./start/starter.ts";
import { WarmPool } from "./start/warm-pool.ts";
import type { WarmPoolLimits } from "./start/warm-pool-demand.ts";
import { InactivityTimers } from "./state/inactivity-timers.ts";
import { SandboxRegistry } from "./state/registry.ts";
import { DiskGuard } from "./watch/disk-guard.ts";
import { ExitHandler } from "./watch/exit-handler.ts";
import { HangWatch, watchingOf } from "./watch/hang-watch.ts";
import { OutOfMemoryNotes } from "./watch/out-of-memory.ts";
import { handleTimeout } from "./watch/timeout-handler.ts";

/** Parts that the sandboxes of one host are made from. */
export interface SandboxParts extends Omit<MicrovmParts, "ending"> {
  dataDirectory: string;
  memory: MemoryStore;
  templates: TemplateStore;
  baseTemplates: BaseTemplates;
  /** Files that new sandboxes boot from. */
  images: () => BootImages;
  limits: CapacityLimits;
  space: DiskSpace;
  emergency: EmergencySpace;
  warmPoolLimits: WarmPoolLimits;
  /** Whether sandboxes of the built-in template boot, rather than go on from its snapshot. */
  coldBoot: boolean;
  metricsIntervalMs: MeterParts["metricsIntervalMs"];
  log: Logger;
}

/** What keeps the sandboxes of one host, put together. */
export interface SandboxAssembly {
  registry: SandboxRegistry;
  inactivity: InactivityTimers;
  garbage: GarbageCollector;
  microvms: MicrovmRunner;
  snapshotter: Snapshotter;
  remover: Remover;
  warmPool: WarmPool;
  baseTemplateMaker: BaseTemplateMaker;
  templateMaker: TemplateMaker;
  templateBundler: TemplateBundler;
  templateFetcher: TemplateFetcher;
  starter: Starter;
  forker: Forker;
  pauser: Pauser;
  guard: DiskGuard;
  hangs: HangWatch;
  meter: Meter;
  /** Calls into guests since the host agent began, by whether the guest answered. */
  guestCalls: { answered: number; unanswered: number };
}

/** Puts together what keeps the sandboxes of one host. `ending` aborts when no guest is waited for any more. */
export function assemble(parts: SandboxParts, ending: AbortSignal): SandboxAssembly {
  const { log, space } = parts;
  const registry = new SandboxRegistry(parts.limits, () => parts.memoryImages.sealedBytes);
  const inactivity: InactivityTimers = new InactivityTimers((sandbox) =>
    handleTimeout({ log, remover, pauser, hangs }, sandbox),
  );
  const garbage = new GarbageCollector({ ...parts, registry });
  const guestCalls = { answered: 0, unanswered: 0 };
  const hangs = new HangWatch(parts, watchingOf(parts.silenceMs));
  const memoryNotes = new OutOfMemoryNotes({ ...parts, registry });
  const meter = new Meter({ ...parts, registry });
  const microvms: MicrovmRunner = new MicrovmRunner(
    { ...parts, ending },
    {
      onAttach: (sandbox, live, stoodReady) => meter.began(sandbox, live, stoodReady),
      beforeStop: (sandbox) => meter.ending(sandbox),
      onExit: (sandbox, exit) => exits.happened(sandbox, exit),
      onDiskFailure: (sandbox, failure) => guard.failed(sandbox, failure),
      // The making of one that stands ready is an operation that the look would wait for.
      onSilence: async (sandbox) => !registry.isUnclaimed(sandbox) && hangs.hangs(sandbox),
      onConsoleLine: (sandbox, line) => {
        memoryNotes.printed(sandbox, line);
        if (!registry.isUnclaimed(sandbox)) void hangs.printed(sandbox, line);
      },
      beforeCall: (sandbox) => hangs.admit(sandbox),
      onCall: (sandbox, answered) => {
        guestCalls[answered ? "answered" : "unanswered"] += 1;
        hangs.called(sandbox, answered);
      },
    },
  );
  const snapshotter = new Snapshotter({ ...parts, ending });
  const remover = new Remover({ ...parts, registry, microvms, inactivity, garbage });
  const factory = new SandboxFactory({ ...parts, registry });
  const spares = new Spares({ ...parts, registry, factory, microvms, remover });
  const warmPool = new WarmPool({
    ...parts.warmPoolLimits,
    log,
    make: (snapshot, signal, isAwaited) => spares.make(snapshot, signal, isAwaited),
    drop: (sandbox) => spares.drop(sandbox),
  });
  const admission = new Admission(registry, warmPool);
  const baseTemplateMaker = new BaseTemplateMaker({ ...parts, factory, microvms, snapshotter, remover });
  const startParts = {
    registry,
    factory,
    microvms,
    remover,
    inactivity,
    warmPool,
    admission,
    baseTemplate: baseTemplateMaker,
  };
  const starter = new Starter({ ...parts, ...startParts });
  const forker = new Forker({ ...parts, registry, starter, snapshotter, garbage });
  const templateMaker = new TemplateMaker({ ...parts, snapshotter, warmPool, garbage });
  const templateBundler = new TemplateBundler({ ...parts, directory: join(parts.dataDirectory, "transfers") });
  const templateFetcher = new TemplateFetcher({
    ...parts,
    bundler: templateBundler,
    promiseDisk: (bytes) => space.promise(bytes),
    shapeOf: (size) => shapeOf(parts.vmm, size),
    baseImage: () => parts.images().base,
  });
  const diskMerger = new DiskMerger(parts.disks, parts.snapshots);
  const pauser = new Pauser({ ...parts, microvms, snapshotter, admission, inactivity, garbage, diskMerger, space });
  const exits = new ExitHandler({ log, registry, pauser, remover, warmPool });
  const guard = new DiskGuard({ ...parts, registry, snapshotter, warmPool });
  return {
    registry,
    inactivity,
    garbage,
    microvms,
    snapshotter,
    remover,
    warmPool,
    baseTemplateMaker,
    templateMaker,
    templateBundler,
    templateFetcher,
    starter,
    forker,
    pauser,
    guard,
    hangs,
    guestCalls,
    meter,
  };
}
