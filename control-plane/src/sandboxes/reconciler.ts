import type { WarrenError } from "@warren/contracts/errors";
import type { ListSandboxesResponse, SandboxInfo } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { textOfHostTime } from "../date-time.ts";
import type { HostAddress, HostClientPool } from "../hosts/host-client-pool.ts";
import type { SandboxFollower } from "../hosts/host-monitor.ts";
import { callHost } from "../hosts/rpc-errors.ts";
import type { Logger } from "../logging.ts";
import { failure, isGivenHere, reasonOfPause } from "./reasons.ts";
import {
  pausedFields,
  reasonCode,
  reportedDiskBytes,
  reportedReason,
  reportedStatus,
  reportsOf,
  runningFields,
  stoppedFields,
} from "./reported-fields.ts";
import { differingSettings, specOf } from "./sandbox-spec.ts";
import type { RowOnHost, SandboxStore, SettingsFields, StatusFields } from "./sandbox-store.ts";
import type { UnknownSandboxes } from "./unknown-sandboxes.ts";

/** Seconds after which a creation that its host has not finished counts as abandoned; longer than a creation takes. */
const CREATING_SEC = 240;
/** Seconds after which a destruction that a host has begun and not finished is asked for again; longer than its call may take. */
const STOPPING_SEC = 90;
/**
 * Seconds after which a creation, pause, resume or destruction that its host knows nothing of is one that never came there, and
 * one that the host has finished is one whose control plane is gone, or could not note it.
 */
const CHANGING_SEC = 15;
const DESTROY_TIMEOUT_MS = 60_000;
const CREATING: SandboxStatus[] = ["pending", "starting"];
/** Sandboxes of lost hosts that are marked by one statement. */
const AT_ONCE = 1000;
/** Sandboxes of one host that are destroyed at the same time. */
const PARALLEL_DESTROYS = 4;

/** What is to be done about one row; nothing when undefined. */
type Verdict = { status: SandboxStatus; fields?: StatusFields; destroy?: boolean } | undefined;

/** A row and what its host says of it. */
type Observation = RowOnHost & { reported: SandboxInfo | undefined };
/** What is judged of it. */
type Observed = Pick<Observation, "status" | "ageSec" | "reason" | "operation" | "disk_bytes" | "reported">;

/** Repairs the difference between the rows of sandboxes and what their host reports. */
export class SandboxReconciler implements SandboxFollower {
  readonly #store: SandboxStore;
  readonly #hostClients: HostClientPool;
  readonly #unknown: UnknownSandboxes;
  readonly #log: Logger;

  constructor(parts: { store: SandboxStore; hostClients: HostClientPool; unknown: UnknownSandboxes; log: Logger }) {
    this.#store = parts.store;
    this.#hostClients = parts.hostClients;
    this.#unknown = parts.unknown;
    this.#log = parts.log;
  }

  begin(): void {
    this.#unknown.begin();
  }

  /** The rows are read before the host is asked and changed only if they are still the same, so newer changes win. */
  async reconcile(host: HostAddress, list: () => Promise<ListSandboxesResponse>, watch?: AbortSignal): Promise<void> {
    const rows = await this.#store.listOnHost(host.id);
    const reported = reportsOf(await list());
    for (const row of rows) {
      watch?.throwIfAborted();
      await this.#settle(host, { ...row, reported: reported.get(row.id) }, watch);
      reported.delete(row.id);
    }
    await this.#settleOthers(host, reported, watch);
  }

  async hostsLost(): Promise<void> {
    while ((await this.#store.markMissing(AT_ONCE)) === AT_ONCE);
  }

  async #settle(host: HostAddress, row: Observation, watch?: AbortSignal): Promise<void> {
    const settings = newerSettings(row);
    if (settings) await this.#store.changeSettings(row.id, settings);
    const verdict = judge(row);
    if (!verdict) return;
    if (verdict.destroy && !(await this.#destroy(host, row.id, watch))) return;
    const changed = await this.#store.change(row, verdict.status, verdict.fields);
    if (!changed) return;
    // The end is noted: the host may forget it.
    if (reportedStatus(row.reported) === "stopped" && !verdict.destroy) await this.#destroy(host, row.id, watch);
    this.#log.info(
      { sandbox: row.id, from: row.status, to: verdict.status, reported: reportedStatus(row.reported) ?? "absent" },
      "a sandbox follows its host",
    );
  }

  /** Ends what the host has and should not. */
  async #settleOthers(
    host: HostAddress,
    reported: ReadonlyMap<string, SandboxInfo>,
    watch?: AbortSignal,
  ): Promise<void> {
    const ids = [...reported.keys()];
    const known = await this.#store.findKnown(ids);
    const over = ids.filter((id) => known.get(id)?.isOver);
    // One that is on its way here, or has come meanwhile, is none of these.
    const unknown = ids.filter((id) => !over.includes(id) && known.get(id)?.host_id !== host.id);
    const ended = watch ? this.#unknownEnded(host, unknown) : [];
    const all = [...over, ...ended];
    const next = async (): Promise<void> => {
      for (let id = all.pop(); id !== undefined && !watch?.aborted; id = all.pop()) {
        // One that has ended by itself was noted before; only the host's answer to that was lost.
        if (reportedStatus(reported.get(id)) !== "stopped") {
          this.#log.warn({ sandbox: id, host: host.id }, "a host has a sandbox that should not exist; destroying it");
        }
        await this.#destroy(host, id, watch);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_DESTROYS }, next));
  }

  #unknownEnded(host: HostAddress, unknown: string[]): string[] {
    const { ended, found } = this.#unknown.judge(host.id, unknown);
    if (found.length > 0) {
      this.#log.warn(
        { host: host.id, sandboxes: found.slice(0, 20), count: found.length },
        "a host has sandboxes of which the database does not know; they are left alone, in case it was restored from a back-up",
      );
    }
    return ended;
  }

  /** False when the host could not: it is asked again at the next comparison, and holds back no other sandbox until then. */
  async #destroy(host: HostAddress, sandboxId: string, signal?: AbortSignal): Promise<boolean> {
    const agent = this.#hostClients.agentOf(host);
    const options = { timeoutMs: DESTROY_TIMEOUT_MS, ...(signal && { signal }) };
    try {
      await callHost(() => agent.destroySandbox({ sandboxId }, options));
      return true;
    } catch (error) {
      if ((error as WarrenError).code === "host_unavailable") throw error;
      this.#log.warn({ err: error, sandbox: sandboxId, host: host.id }, "a host could not destroy a sandbox");
      return false;
    }
  }
}

/** What follows from a row and its host's report. */
export function judge(row: Observed): Verdict {
  const reported = reportedStatus(row.reported);
  // How it ended is noted at once, but for a row that a call is about to settle.
  const awaited = row.status === "stopping" || (CREATING.includes(row.status) && row.ageSec < CHANGING_SEC);
  if (reported === "stopped" && !awaited) return { status: "stopped", fields: stoppedFields(row.reported) };
  switch (row.status) {
    case "pending":
    case "starting":
      return row.ageSec < CHANGING_SEC ? undefined : judgeCreation(row);
    case "running":
      if (reported === undefined) return { status: "stopped", fields: stoppedFields(undefined) };
      if (reported === "running" && saysOtherwise(row)) {
        return { status: "running", fields: { reason: reportedReason(row.reported) } };
      }
      return reported === "paused" ? asReported(row) : undefined;
    case "pausing":
    case "resuming": {
      // What is under way is reported as such. A call that comes to its end later than this finds its goal reached.
      const before = row.status === "pausing" ? "running" : "paused";
      return reported === before && row.ageSec < CHANGING_SEC ? undefined : asReported(row);
    }
    case "missing":
      return asReported(row);
    case "paused":
      if (reported === undefined) return { status: "stopped", fields: stoppedFields(row.reported) };
      if (reported === "running") return { status: "running", fields: runningFields(row.reported) };
      // A host says that a sandbox is paused before it knows what the pause takes of its disk.
      if (reported === "paused" && (saysOtherwise(row) || reportedDiskBytes(row.reported) !== row.disk_bytes)) {
        return { status: "paused", fields: pausedFields(row.reported, requestOf(row)) };
      }
      return undefined;
    case "stopping":
      return row.ageSec < (reported === "stopping" ? STOPPING_SEC : CHANGING_SEC)
        ? undefined
        : { status: "stopped", fields: { host_ip: "" }, destroy: reported !== undefined };
    default:
      return undefined;
  }
}

/** A host has a sandbox, a copy too, from the moment that its creation comes there. */
function judgeCreation(row: Observed): Verdict {
  const { ageSec, reported } = row;
  const status = reportedStatus(reported);
  if (status === "running" || status === "paused") return asReported(row);
  const isUnderWay = reported !== undefined;
  if (isUnderWay && ageSec < CREATING_SEC) return undefined;
  const error = isUnderWay ? "the sandbox did not start in time" : "the creation was cut off; try again";
  return { status: "error", fields: failure(error), destroy: true };
}

/** The state that a host says, or its lack of the sandbox; nothing while the host changes it. */
function asReported(row: Observed): Verdict {
  const { reported } = row;
  if (reported === undefined) return { status: "stopped", fields: stoppedFields(undefined) };
  const status = reportedStatus(reported);
  if (status === "running") return { status: "running", fields: runningFields(reported) };
  return status === "paused" ? { status: "paused", fields: pausedFields(reported, requestOf(row)) } : undefined;
}

/** JSON of the reason of a pause for which the host has none: that of the row, or of the operation that is under way. */
function requestOf({ status, reason, operation }: Observed): string {
  if (isGivenHere(reason)) return JSON.stringify(reason);
  return reasonOfPause(status === "pausing" ? operation : undefined);
}

/**
 * Whether a host gives another reason than the row, or the same of another time. It knows nothing of who asks for a pause,
 * and gives none for such a one.
 */
function saysOtherwise({ status, reason, reported }: Pick<Observation, "status" | "reason" | "reported">): boolean {
  const isAsked = status === "paused" && reasonCode(reported) === undefined;
  if (isAsked) return !isGivenHere(reason);
  if (reason?.code !== reasonCode(reported)) return true;
  return reason !== null && reason !== undefined && reason.at !== textOfHostTime(reported?.reason?.atUnixMs ?? 0n);
}

/** Settings by which a host acts and that the database does not have; undefined when there are none. */
function newerSettings(row: Observation): SettingsFields | undefined {
  // A start or a resume that is under way may bring new ones.
  if (row.status !== "running" && row.status !== "paused") return undefined;
  const settings = differingSettings(row.reported?.spec, specOf(row));
  return settings && { settings };
}
