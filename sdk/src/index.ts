export { WarrenError } from "@warren/contracts/errors";
export type { EventType } from "@warren/contracts/rest/events";
export type { Family, FamilyNode } from "@warren/contracts/rest/family";
export type { Host, HostDeletePreview, HostDetails, HostStatus, HostType, NewHost } from "@warren/contracts/rest/hosts";
export type { MetricSeries } from "@warren/contracts/rest/metrics";
export type { Process, StartedProcess } from "@warren/contracts/rest/processes";
export type { SandboxStats, StatsRange } from "@warren/contracts/rest/stats";
export type { TeamUsage, UsageAmounts } from "@warren/contracts/rest/usage";
export type { SetUsageLimits, UsageLimits } from "@warren/contracts/rest/usage-limits";
export type { Webhook, WebhookDelivery } from "@warren/contracts/rest/webhooks";
export { Account } from "./account.ts";
export { Administration } from "./administration.ts";
export { AuditLogs, type AuditOptions } from "./audit-logs.ts";
export type { EventsOptions, StreamedEvent } from "./event-stream.ts";
export type { ExitStatus } from "./exec-connection.ts";
export { type AttachOptions, type CommandOptions, SandboxProcess, type StartOptions } from "./exec-stream.ts";
export {
  type FileEntry,
  type FileOptions,
  Files,
  type OpenFile,
  type TransferOptions,
  type WriteOptions,
} from "./files.ts";
export { type CreateHostOptions, type DeleteHostOptions, Hosts } from "./hosts.ts";
export type { Content } from "./multipart.ts";
export { Processes } from "./processes.ts";
export type { OnProgress } from "./progress.ts";
export type { RetryPolicy } from "./retry.ts";
export {
  CommandTimeoutError,
  type ExecOptions,
  type ExecResult,
  Sandbox,
  type UpdateOptions,
} from "./sandbox.ts";
export { SignIn } from "./sign-in.ts";
export { Templates } from "./templates.ts";
export type { TransportOptions } from "./transport.ts";
export { Usage, type UsageOptions } from "./usage.ts";
export { type CreateOptions, type FamilyOptions, type ListOptions, Sandboxes, Warren } from "./warren.ts";
export { Webhooks } from "./webhooks.ts";
