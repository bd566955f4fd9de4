import { create } from "@bufbuild/protobuf";
import {
  type SandboxReason as HostReason,
  SandboxStatus as HostStatus,
  type ListSandboxesResponse,
  type SandboxInfo,
  SandboxReasonSchema,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { SANDBOX_ID } from "@warren/contracts/identifiers";
import { SANDBOX_REASONS, type SandboxReason, type SandboxReasonCode } from "@warren/contracts/rest/sandboxes";
import { sql } from "kysely";
import { textOfHostTime } from "../date-time.ts";
import { textOfHost } from "../hosts/host-text.ts";
import { askedBy, reasonNow } from "./reasons.ts";
import type { StatusFields } from "./sandbox-store.ts";

/** Most characters of what a host tells: of an address, and of the two texts of a reason. */
const ADDRESS_CHARACTERS = 64;
const MESSAGE_CHARACTERS = 2048;
const CONSOLE_CHARACTERS = 64 * 1024;

/** Statuses that hosts report, as clients see them. */
const STATUSES = {
  [HostStatus.UNSPECIFIED]: "unknown",
  [HostStatus.STARTING]: "starting",
  [HostStatus.RUNNING]: "running",
  [HostStatus.PAUSING]: "pausing",
  [HostStatus.PAUSED]: "paused",
  [HostStatus.RESUMING]: "resuming",
  [HostStatus.STOPPING]: "stopping",
  [HostStatus.STOPPED]: "stopped",
} as const;

/** The status that a host reports; undefined when it does not have the sandbox. One of a newer host may be unknown. */
export function reportedStatus(info: SandboxInfo | undefined): (typeof STATUSES)[HostStatus] | undefined {
  return info && (STATUSES[info.status] ?? "unknown");
}

/**
 * What a host reports of its sandboxes, by their ids. The reason of one that it has paused by itself is inactivity, also where
 * it gives none that this program knows.
 */
export function reportsOf({ sandboxes, autoPausedSandboxIds }: ListSandboxesResponse): Map<string, SandboxInfo> {
  const autoPaused = new Set(autoPausedSandboxIds);
  const report = (info: SandboxInfo) =>
    autoPaused.has(info.sandboxId) && reasonCode(info) === undefined ? { ...info, reason: inactivityOf(info) } : info;
  // What has no id of a sandbox is none of anybody's.
  return new Map(
    sandboxes.filter(({ sandboxId }) => SANDBOX_ID.test(sandboxId)).map((info) => [info.sandboxId, report(info)]),
  );
}

function inactivityOf({ spec, lastActiveAtUnixMs: atUnixMs }: SandboxInfo): HostReason {
  const message = `nothing used it for ${spec?.timeoutSec ?? 0} s`;
  return create(SandboxReasonSchema, { code: "inactivity" satisfies SandboxReasonCode, message, atUnixMs });
}

/**
 * Fields of a row whose sandbox its host reports as paused. Where the host gives no reason somebody has asked for it: `asked`
 * is the reason that says who, if that is known.
 */
export function pausedFields(info: SandboxInfo | undefined, asked = askedBy()): StatusFields {
  return { host_ip: "", disk_bytes: reportedDiskBytes(info), reason: reportedReason(info) ?? asked };
}

/** Fields of a row whose sandbox its host reports as running. */
export function runningFields(info: SandboxInfo | undefined): StatusFields {
  const told = textOfHostTime(info?.createdAtUnixMs ?? 0n);
  // The clock of a host may be any: nothing runs before it was made, or from later than now on.
  const started_at = sql<Date>`least(now(), greatest(created_at, ${told}::timestamptz))` as never;
  return {
    host_ip: textOfHost(info?.hostIp ?? "", ADDRESS_CHARACTERS),
    started_at,
    error: null,
    reason: reportedReason(info),
  };
}

/** Fields of a row whose sandbox has ended by itself, as its host reports, or is unknown to its host. */
export function stoppedFields(info: SandboxInfo | undefined): StatusFields {
  const lost = { code: "microvm_lost", message: "its host has nothing of it any more" } as const;
  return { host_ip: "", reason: reportedReason(info) ?? reasonNow(lost.code, lost.message) };
}

/** JSON of the reason that a host reports; null when it gives none that this program knows. */
export function reportedReason(info: SandboxInfo | undefined): string | null {
  const code = reasonCode(info);
  if (!info?.reason || code === undefined) return null;
  const { message, console, atUnixMs } = info.reason;
  return toJson({
    code,
    message: textOfHost(message, MESSAGE_CHARACTERS),
    ...(console !== "" && { console: textOfHost(console, CONSOLE_CHARACTERS) }),
    at: textOfHostTime(atUnixMs),
  });
}

/** Bytes that a host stores for a sandbox; no more than a number has. */
export function reportedDiskBytes(info: SandboxInfo | undefined): number {
  return Math.min(Number(info?.diskBytes ?? 0n), Number.MAX_SAFE_INTEGER);
}

/** Code of the reason that a host reports; undefined when it gives none that this program knows. */
export function reasonCode(info: SandboxInfo | undefined): SandboxReasonCode | undefined {
  const code = info?.reason?.code;
  return code !== undefined && Object.hasOwn(SANDBOX_REASONS, code) ? (code as SandboxReasonCode) : undefined;
}

function toJson(reason: SandboxReason): string {
  return JSON.stringify(reason);
}
