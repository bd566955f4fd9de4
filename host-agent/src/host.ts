import { access, readdir } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { claimDataDirectory, lockDataDirectory } from "@warren/server/data-directory-lock";
import { EmergencySpace } from "@warren/server/emergency-space";
import { MICROVM_IDS, requireOwnIds } from "@warren/server/user-ids";
import type { Logger } from "pino";
import { DiskLayers } from "./disk/layers.ts";
import { createQcow2Store } from "./disk/qcow2/store.ts";
import type { BootImages, Progress } from "./images/images.ts";
import { pruneImages } from "./images/prune.ts";
import { ControlPlaneLoss, LOST_AFTER } from "./link/control-plane-loss.ts";
import { CredentialFile, CredentialMemory } from "./link/credentials.ts";
import { Link } from "./link/link.ts";
import { readReport } from "./link/report.ts";
import { ImageCache } from "./memory/image-cache/image-cache.ts";
import { MemoryStore } from "./memory/store/store.ts";
import { watchMemoryPressure } from "./memory-pressure/memory-pressure.ts";
import type { Monitoring } from "./monitoring/monitoring.ts";
import type { SlotPool } from "./network/network.ts";
import { PLATFORM, type Platform } from "./platform.ts";
import { type HostFacts, readHostFacts } from "./rpc/host-facts.ts";
import type { HostIdentity, SecureServer } from "./rpc/secure-server.ts";
import type { ServePlace } from "./rpc/serve-sandboxes.ts";
import { DiskSpace } from "./sandboxes/capacity/disk-space.ts";
import { DiskUsage } from "./sandboxes/capacity/disk-usage.ts";
import { Journal } from "./sandboxes/record/journal.ts";
import { reasonOf } from "./sandboxes/record/reason.ts";
import { SandboxService } from "./sandboxes/service.ts";
import { type HostSettings, readSettings } from "./settings.ts";
import { SnapshotStore } from "./snapshots/store.ts";
import { BaseTemplates } from "./templates/base-templates.ts";
import { TemplateStore } from "./templates/store.ts";

/** Milliseconds that a microVM may take from its first instruction to its guest agent's readiness. */
const BOOT_LIMIT = { kvm: 30_000, tcg: 90_000 } as const;

/** Where snapshots are seldom made, copies may wait for each other; to make a buffer takes milliseconds. */
const FEW_BUFFERS = { captureBuffers: 1, backgroundBuffers: 1 };

export interface ServeOptions {
  dataDirectory: string;
  imagesDirectory: string;
  /** Repository that holds the sources of the guest agent. */
  sourceRoot: string;
  /** Where it listens. */
  place: ServePlace;
  /** Where its control plane reaches it: `unix:PATH` or `https://HOST:PORT`. */
  address: string;
  /** Destroy all sandboxes at the end. */
  ephemeral: boolean;
  /** Base of a control plane's API, with which the host registers unless it has, by `WARREN_HOST_TOKEN`. */
  controlPlane?: string;
  /** By whom the certificate of the control plane must be signed, PEM; absent = by those whom Node believes. */
  controlPlaneAuthority?: string | undefined;
  /** Register though the host has credentials. */
  registerAnew?: boolean;
  /** Size of a sandbox of the built-in template to make ready at once; memory in MiB. */
  prepare?: { vcpus: number; memoryMb: number };
  environment: NodeJS.ProcessEnv;
  /** The platform that it runs on; tests have another one. */
  platform?: Platform;
  progress: Progress;
  log: Logger;
}

/** A host agent that serves. */
export interface Host {
  /** Sentences for whoever starts it. */
  notes: readonly string[];
  /** Resolves once its control plane has deleted the host, and nobody can give it another one but whoever starts it. */
  gone: Promise<void>;
  stop(): Promise<void>;
}

/** Wires the host agent of one data directory together, takes up what an earlier one left, and serves. */
export async function serveHost(options: ServeOptions): Promise<Host> {
  const { platform = PLATFORM } = options;
  requireRoot();
  await requireOwnIds(MICROVM_IDS);
  const settings = readSettings(options.environment);
  const lock = await claimDataDirectory(options.dataDirectory, "host agent");
  const images = platform
    .ensureImages({
      directory: options.imagesDirectory,
      sourceRoot: options.sourceRoot,
      withNode: settings.withNode,
      progress: options.progress,
    })
    .then((built) => ({ ...built, base: built.node ?? built.base }));
  const parts = await openHost({
    dataDirectory: options.dataDirectory,
    settings,
    platform,
    images: { directory: options.imagesDirectory, boot: images },
    foreseen: options.prepare ? 1 : 0,
    ephemeral: options.ephemeral,
    log: options.log,
  });
  if (options.prepare) void parts.sandboxes.prepare(options.prepare);
  await pruneOwnImages(options, parts.images!, parts.sandboxes.imagesInUse());
  // What could be given up are sandboxes of the pool.
  const pressure =
    settings.warmPool > 0 ? watchMemoryPressure(() => void parts.sandboxes.onMemoryPressure()) : undefined;
  pressure?.watching.catch((error: unknown) => {
    options.log.warn({ err: error }, "memory pressure cannot be watched; ready sandboxes stay when memory runs short");
  });
  const facts = () => readHostFacts(options.dataDirectory, parts.vmm, parts.images!);
  const monitoring = await openMonitoring(options, settings, parts.sandboxes);
  // A third of the program, which is loaded while a sandbox is being prepared.
  const { serveSandboxes } = await import("./rpc/serve-sandboxes.ts");
  const loss = watchForLoss(options, settings, parts.sandboxes);
  const { link, serving } = await openLink(options, parts.sandboxes, facts, loss);
  const server = await serveSandboxes(options.place, {
    sandboxes: parts.sandboxes,
    facts,
    join: (request) => link.join(request),
    onRequest: () => loss.called(),
    monitoring,
    log: options.log,
  });
  serving(server);
  await registerByToken(options, link);
  const emulation = parts.vmm.accelerator === "kvm" ? [] : [emulationNote(parts.vmm.emulationReason)];
  return {
    notes: [...emulation, ...reachNotes(options, link)],
    // To a socket of its machine the control plane comes back with a token.
    gone: "socketPath" in options.place ? new Promise(() => undefined) : link.gone,
    async stop() {
      await monitoring?.close();
      await link.close();
      await server.close();
      await pressure?.close();
      // Slots in use can still be released once their pool is closed.
      if (options.ephemeral) await Promise.all([parts.sandboxes.destroyAll(), parts.slots.close()]);
      else {
        await parts.sandboxes.release();
        await parts.slots.close();
      }
      lock.release();
    },
  };
}

/** What keeps a host from taking sandboxes that has registered. */
function reachNotes({ address }: ServeOptions, { unreached }: Link): string[] {
  if (unreached === undefined) return [];
  return [
    `The control plane cannot reach this host at ${address}: ${unreached}. It takes sandboxes once that works, which is tried ` +
      "again and again: let connections to this port through, or register it with another address.",
  ];
}

/** What follows from the lack of KVM, and what helps. */
function emulationNote(reason: string): string {
  return (
    `Sandboxes run emulated, many times slower than on KVM: ${reason}. What helps is a machine with a ` +
    "/dev/kvm that works: of a virtual one, its nested virtualization."
  );
}

/**
 * Ties the host to the control plane whose credentials it has; a host agent for one command keeps none. `serving` tells the server
 * that is to be known by them.
 */
async function openLink(
  { dataDirectory, place, address, controlPlaneAuthority: authority, ephemeral, log }: ServeOptions,
  sandboxes: SandboxService,
  facts: () => Promise<HostFacts>,
  loss: ControlPlaneLoss,
): Promise<{ link: Link; serving: (server: Partial<SecureServer>) => void }> {
  const credentials = ephemeral ? new CredentialMemory() : new CredentialFile(dataDirectory);
  const report = () => readReport(sandboxes, facts);
  let identity: HostIdentity | undefined;
  let known: Partial<SecureServer> = {};
  const become = (next: HostIdentity | undefined) => {
    identity = next;
    known.become?.(next);
  };
  const secured = "socketPath" in place ? {} : { become };
  const link = await Link.open({ credentials, address, authority, report, ...secured, loss, log });
  const serving = (server: Partial<SecureServer>) => {
    known = server;
    server.become?.(identity);
  };
  return { link, serving };
}

/**
 * What is done when the control plane is lost: nothing unless the settings say so where it reaches the host by a socket. It is on
 * the same machine then, and away when it is upgraded.
 */
function watchForLoss(
  { place, log }: ServeOptions,
  settings: HostSettings,
  sandboxes: SandboxService,
): ControlPlaneLoss {
  const { pauseAllAfter = "socketPath" in place ? 0 : LOST_AFTER } = settings;
  return new ControlPlaneLoss({ sandboxes, after: pauseAllAfter, log });
}

/** Registers the host with the control plane that its supervisor names. */
async function registerByToken(
  { controlPlane, registerAnew = false, environment }: ServeOptions,
  link: Link,
): Promise<void> {
  if (controlPlane === undefined) return;
  await link.registerOnce(controlPlane, environment.WARREN_HOST_TOKEN?.trim(), { anew: registerAnew });
}

/**
 * Loads what measures the host where the settings let somebody read it, and serves it at its own address. A host agent for one
 * command is not looked at, and could not have the address of one that lasts.
 */
async function openMonitoring(
  { dataDirectory, imagesDirectory, ephemeral, log }: ServeOptions,
  { metrics }: HostSettings,
  sandboxes: SandboxService,
): Promise<Monitoring | undefined> {
  if (metrics === undefined || ephemeral) return undefined;
  const { Monitoring } = await import("./monitoring/monitoring.ts");
  const directories = { data: dataDirectory, images: imagesDirectory };
  return Monitoring.open(metrics, { sandboxes, directories, log });
}

/**
 * Removes image folders that nothing needs any more. Only a data directory that holds the image directory knows all its
 * users: itself, and the short-lived ones in `runs`, while one of which is there nothing is removed.
 */
async function pruneOwnImages(
  { dataDirectory, imagesDirectory, log }: ServeOptions,
  current: BootImages,
  inUse: ReadonlySet<string>,
): Promise<void> {
  if (imagesDirectory !== join(dataDirectory, "images")) return;
  const runs = await readdir(join(dataDirectory, "runs")).catch(() => []);
  if (runs.length > 0) return;
  for (const path of await pruneImages({ directory: imagesDirectory, current, inUse })) {
    log.info({ path }, "removed an image that nothing needs");
  }
}

/**
 * Ends every sandbox of a data directory whose host agent is gone, and removes all they held. With `tell`, a record of each
 * is kept until a control plane has asked how it ended.
 */
export async function sweepHost(
  dataDirectory: string,
  options: { environment: NodeJS.ProcessEnv; platform?: Platform; log: Logger; tell: boolean },
): Promise<void> {
  requireRoot();
  if (!(await exists(dataDirectory))) return;
  const lock = await lockDataDirectory(dataDirectory, "host agent");
  const { environment, log, tell, platform = PLATFORM } = options;
  const settings = { ...readSettings(environment), spareSlots: 0 };
  const parts = await openHost({ dataDirectory, settings, platform, log });
  try {
    if (tell)
      await parts.sandboxes.endAll(reasonOf("ended_by_operator", "the operator of the server ended all sandboxes"));
    else await parts.sandboxes.destroyAll();
  } finally {
    await parts.slots.close();
    lock.release();
  }
}

/** How many sandboxes of callers a data directory holds that have not ended, by their status in the journal. */
export async function countSandboxes(dataDirectory: string): Promise<Record<string, number>> {
  if (!(await exists(dataDirectory))) return {};
  const { records } = await new Journal(dataDirectory).load();
  const counts: Record<string, number> = {};
  for (const { purpose, status } of records) {
    if (purpose === "sandbox" && status !== "stopped") counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/** What the sandboxes of a data directory are opened with. */
export interface OpenHostOptions {
  dataDirectory: string;
  settings: HostSettings;
  /** The platform that it runs on; tests have another one. */
  platform?: Platform;
  /** Needed to start sandboxes; without them, those that are there can only be ended. */
  images?: { directory: string; boot: BootImages | Promise<BootImages> };
  /** Sandboxes that will be asked for soon. */
  foreseen?: number;
  /** They end with this process. */
  ephemeral?: boolean;
  log: Logger;
}

/** Wires the sandboxes of a data directory together, and takes up or removes those that are there. */
export async function openHost(options: OpenHostOptions) {
  const { dataDirectory, settings, log, platform = PLATFORM } = options;
  const slots = platform.createSlots({
    dataDirectory,
    spare: settings.spareSlots,
    foreseen: options.foreseen ?? 0,
    dns: settings.dns,
    logger: log,
    ...(settings.networks ? { networks: settings.networks } : {}),
  });
  try {
    return await openSandboxes(options, slots);
  } catch (error) {
    await slots.then((pool) => pool.close()).catch(() => undefined);
    throw error;
  }
}

async function openSandboxes(options: OpenHostOptions, openingSlots: Promise<SlotPool>) {
  const { dataDirectory, settings, log } = options;
  const emergency = new EmergencySpace(dataDirectory);
  // Each takes its time, and none needs another.
  const [{ vmm, images }, slots, disks, memory, templates] = await Promise.all([
    findVmm(options),
    openingSlots,
    DiskLayers.open(dataDirectory, createQcow2Store()),
    MemoryStore.open(join(dataDirectory, "memory"), options.ephemeral ? FEW_BUFFERS : {}),
    TemplateStore.open(dataDirectory),
    emergency.keep(),
  ]);
  const diskLimits = {
    reserveBytes: settings.diskReserveBytes,
    ...(settings.diskLimitGb === undefined ? {} : { limitBytes: settings.diskLimitGb * 1024 ** 3 }),
  };
  const space = new DiskSpace(dataDirectory, diskLimits, new DiskUsage(dataDirectory));
  const imagesDirectory = join(dataDirectory, "memory-images");
  const memoryImages = await ImageCache.open(memory, imagesDirectory, settings.imageCacheBytes, {
    promiseDisk: (bytes) => space.promiseAccess(bytes),
    opensForWriting: vmm.opensMemoryForWriting,
  });
  const { store: snapshots, unusable } = await SnapshotStore.open(dataDirectory, memory, disks);
  for (const error of unusable) log.error({ err: error }, "a snapshot cannot be used");
  // Snapshots of the built-in template; hosts have some under this name.
  const sharedDirectory = join(options.images?.directory ?? dataDirectory, "frozen");
  const baseTemplates = new BaseTemplates({ sharedDirectory, memory, disks, snapshots, log });
  const sandboxes = new SandboxService({
    dataDirectory,
    journal: new Journal(dataDirectory, emergency),
    vmm,
    slots,
    disks,
    memory,
    memoryImages,
    snapshots,
    templates,
    baseTemplates,
    warmPoolLimits: {
      size: images ? settings.warmPool : 0,
      memoryMb: settings.warmPoolMemoryMb ?? defaultPoolMemoryMb(),
    },
    coldBoot: settings.coldBoot,
    images: () => {
      if (!images) throw new WarrenError("internal_error", "this process starts no sandboxes");
      return images;
    },
    limits: {
      memoryOvercommit: settings.memoryOvercommit,
      sandboxes: settings.maxSandboxes,
    },
    space,
    emergency,
    dns: settings.dns,
    bootLimitMs: settings.bootLimitMs ?? BOOT_LIMIT[vmm.accelerator],
    silenceMs: settings.guestSilenceMs,
    metricsIntervalMs: settings.metricsIntervalMs,
    log,
  });
  await sandboxes.recover();
  if (images) await baseTemplates.removeDebris();
  return { sandboxes, slots, vmm, images };
}

async function findVmm({ images, platform = PLATFORM, log }: OpenHostOptions) {
  const [chooseVmm, boot] = await Promise.all([platform.examineVmms(), images?.boot]);
  const vmm = await chooseVmm({ ...(images && boot && { images: { directory: images.directory, ...boot } }), log });
  return { vmm, images: boot };
}

/** An eighth of the host's memory, and at least one sandbox of the usual size. MiB. */
function defaultPoolMemoryMb(): number {
  return Math.max(LIMITS.memoryMb.default, Math.floor(totalmem() / 1024 ** 2 / 8));
}

function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new WarrenError(
    "forbidden",
    "the host agent needs root: it makes network namespaces and starts microVMs under user ids of their own",
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
