import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { SlotPool } from "../network/network.ts";
import type { SnapshotStore } from "../snapshots/store.ts";
import type { GarbageCollector } from "./end/garbage-collector.ts";
import type { Remover } from "./end/remover.ts";
import type { MicrovmRunner } from "./microvms/microvm-runner.ts";
import type { Journal, SandboxRecord } from "./record/journal.ts";
import { isHeldFor, reasonOf } from "./record/reason.ts";
import type { Pauser } from "./snapshot/pauser.ts";
import type { Snapshotter } from "./snapshot/snapshotter.ts";
import type { InactivityTimers } from "./state/inactivity-timers.ts";
import type { SandboxRegistry } from "./state/registry.ts";
import { Sandbox } from "./state/sandbox.ts";
import { hold } from "./watch/disk-guard.ts";

export interface RecoveryParts {
  journal: Journal;
  slots: SlotPool;
  registry: SandboxRegistry;
  microvms: MicrovmRunner;
  snapshotter: Snapshotter;
  snapshots: SnapshotStore;
  pauser: Pauser;
  remover: Remover;
  inactivity: InactivityTimers;
  garbage: GarbageCollector;
  log: Logger;
}

/** Tries again to clear away what an earlier host agent left. */
export type Leftover = () => Promise<void>;

/**
 * Takes up what an earlier host agent left: live microVMs are adopted, paused sandboxes kept, everything else is brought
 * back to its last pause or removed. What cannot be cleared away keeps what it holds, is named in the log, and is no
 * hindrance to the others; gives what of it no caller knows, for whoever ends all.
 */
export async function recover(parts: RecoveryParts): Promise<Leftover[]> {
  const { journal, slots, registry, remover, garbage, log } = parts;
  const { records, unreadable } = await journal.load();
  await Promise.all(records.map((record) => recoverOrKeep(parts, new Sandbox(record))));
  const leftovers: Leftover[] = [];
  const attempt = async (work: Leftover, message: string, fields: object = {}) => {
    try {
      await work();
    } catch (error) {
      log.error({ ...fields, err: error }, message);
      leftovers.push(work);
    }
  };
  for (const { instance, reason } of unreadable) {
    log.warn({ instance, reason }, "removing a sandbox directory without a usable record");
    await attempt(() => journal.remove(instance), "cannot remove a sandbox directory", { instance });
  }
  const sweep = () => slots.sweep(new Set(registry.all().flatMap(({ record }) => record.slot ?? [])));
  await attempt(sweep, "cannot remove network slots of an earlier host agent");
  await attempt(() => garbage.collect(), "cannot remove what is no longer needed");
  const unclaimed = registry.all().filter((sandbox) => registry.isUnclaimed(sandbox));
  return [...leftovers, ...unclaimed.map((sandbox) => () => removeLeft(remover, sandbox))];
}

async function removeLeft(remover: Remover, sandbox: Sandbox): Promise<void> {
  if (sandbox.lifecycle.status === "gone") return;
  await sandbox.lifecycle.perform("destroy", () => remover.remove(sandbox));
}

/** What is left of a sandbox that cannot be cleared away stays taken: a destroy, or the next start, tries again. */
async function recoverOrKeep(parts: RecoveryParts, sandbox: Sandbox): Promise<void> {
  const { registry, log } = parts;
  const { record } = sandbox;
  try {
    await recoverOne(parts, sandbox);
  } catch (error) {
    log.error({ sandbox: record.id, slot: record.slot, err: error }, "cannot clear away what is left of a sandbox");
    registry.keep(sandbox);
    const { status, reason } = record;
    if (status !== "stopping" || !reason) return;
    const message = `${reason.message}, and what is left of it could not be cleared away on its host`;
    sandbox.lose({ ...reason, message });
  }
}

async function recoverOne(parts: RecoveryParts, sandbox: Sandbox): Promise<void> {
  const { registry, pauser, remover, log } = parts;
  const { record } = sandbox;
  if (record.status === "stopping" && record.reason) {
    registry.add(sandbox);
    await remover.end(sandbox, record.reason);
    return;
  }
  // A start that gave a sandbox the microVM of one that stood ready can leave two records of it, neither promised.
  const claimed = record.purpose === "sandbox" && record.status !== "starting" && record.status !== "stopping";
  if (!claimed) {
    log.info({ sandbox: record.id, status: record.status }, "removing a sandbox that was not yet, or no longer, there");
    await remover.remove(sandbox);
    return;
  }
  registry.add(sandbox);
  if (record.status === "stopped") return;
  if (isAtRest(record, parts.snapshots)) return;
  if ((record.status === "running" || record.status === "pausing") && (await adopt(parts, sandbox))) return;
  const reason = reasonOf("microvm_lost", "its microVM had ended when the host agent started");
  if (record.ownSnapshot || record.status === "resuming" || record.status === "paused") {
    await pauser.returnToLastPause(sandbox, reason);
    return;
  }
  log.info({ sandbox: record.id, status: record.status }, "a sandbox did not outlive the host agent");
  await remover.end(sandbox, reason);
}

/** Whether a paused sandbox is in its snapshot wholly, with nothing left of a microVM or of an operation on it. */
function isAtRest(record: SandboxRecord, snapshots: SnapshotStore): boolean {
  if (record.status !== "paused" || record.slot !== undefined || record.memory || !record.snapshot) return false;
  return snapshots.has(record.snapshot) && isDeepStrictEqual(record.disk, snapshots.get(record.snapshot).disk);
}

async function adopt(parts: RecoveryParts, sandbox: Sandbox): Promise<boolean> {
  const { journal, microvms, inactivity, log } = parts;
  const { record } = sandbox;
  try {
    const live = await microvms.adopt(sandbox);
    if (!live) return false;
    if (record.reason && isHeldFor(record.reason)) hold(sandbox, record.reason);
    // An agent that ended in the middle of a copy left it stopped; one that runs does not mind.
    if (!sandbox.held) await live.vm.resume();
    if (record.status === "pausing") sandbox.moveTo("running");
    await journal.write(record);
    inactivity.watch(sandbox);
    log.info({ sandbox: record.id }, "adopted a live sandbox");
    // A guest may take its time to say that its processes run on; the sandboxes of others do not wait for that.
    if (!sandbox.held) releaseSoon(parts, sandbox);
    return true;
  } catch (error) {
    log.error({ sandbox: record.id, err: error }, "cannot adopt a sandbox");
    return false;
  }
}

function releaseSoon({ snapshotter, log }: RecoveryParts, sandbox: Sandbox): void {
  sandbox.lifecycle
    .perform("release", () => snapshotter.release(sandbox))
    .catch((error: unknown) => log.error({ sandbox: sandbox.id, err: error }, "an adopted sandbox does not run on"));
}
