import { type Static, Type } from "typebox";
import { BASE_TEMPLATE, SANDBOX_ID, TEMPLATE_NAME } from "../identifiers.ts";
import { LIMITS } from "../limits.ts";
import { Environment } from "./environment.ts";

/** States of a sandbox. `missing`: its host does not answer; `stopped` and `error` are final. */
export const SANDBOX_STATUSES = [
  "pending",
  "starting",
  "running",
  "pausing",
  "paused",
  "resuming",
  "stopping",
  "missing",
  "stopped",
  "error",
] as const;
export type SandboxStatus = (typeof SANDBOX_STATUSES)[number];

/** Why a sandbox is in its status when its user did not ask for it: what each code says, for people. */
export const SANDBOX_REASONS = {
  inactivity: "nothing has used the sandbox for `timeout_sec` seconds",
  guest_powered_off: "the system in the sandbox powered itself off",
  guest_rebooted: "the system in the sandbox rebooted; a microVM ends with that",
  guest_panicked: "the kernel in the sandbox panicked",
  microvm_lost: "the microVM ended from outside: its process was killed or failed, or went with its host",
} as const;
export type SandboxReasonCode = keyof typeof SANDBOX_REASONS;

/** Request to create a sandbox. */
export const CreateSandbox = Type.Object(
  {
    template: Type.Optional(
      Type.String({ pattern: TEMPLATE_NAME.source, default: BASE_TEMPLATE, description: "Template to start from" }),
    ),
    vcpus: Type.Optional(
      Type.Integer({
        minimum: LIMITS.vcpus.min,
        maximum: LIMITS.vcpus.max,
        default: LIMITS.vcpus.default,
        description: "Virtual CPUs; a snapshot template brings its own number",
      }),
    ),
    memory_mb: Type.Optional(
      Type.Integer({
        minimum: LIMITS.memoryMb.min,
        maximum: LIMITS.memoryMb.max,
        default: LIMITS.memoryMb.default,
        description: "Memory in MiB; a snapshot template brings its own size",
      }),
    ),
    timeout_sec: Type.Optional(
      Type.Integer({
        minimum: LIMITS.timeoutSec.min,
        maximum: LIMITS.timeoutSec.max,
        default: LIMITS.timeoutSec.default,
        description: "Seconds of inactivity before `on_timeout` happens; 0 = never",
      }),
    ),
    on_timeout: Type.Optional(
      Type.Enum(["pause", "destroy"], { default: "pause", description: "What inactivity leads to" }),
    ),
    auto_resume: Type.Optional(
      Type.Boolean({ default: false, description: "A call that needs the sandbox resumes it when it is paused" }),
    ),
    env: Type.Optional(Environment),
  },
  { additionalProperties: false, title: "CreateSandbox" },
);
export type CreateSandbox = Static<typeof CreateSandbox>;

const Timestamp = Type.String({ format: "date-time" });

/** Why a sandbox is in its status, when its user did not ask for it. */
export const SandboxReason = Type.Object(
  {
    code: Type.Enum(Object.keys(SANDBOX_REASONS) as SandboxReasonCode[], {
      description: Object.entries(SANDBOX_REASONS)
        .map(([code, meaning]) => `\`${code}\`: ${meaning}`)
        .join("; "),
    }),
    message: Type.String({ description: "For people" }),
    at: Timestamp,
  },
  { description: "Why the sandbox is in its status, when its user did not ask for it" },
);
export type SandboxReason = Static<typeof SandboxReason>;

/** A sandbox as clients see it. */
export const Sandbox = Type.Object(
  {
    id: Type.String({ pattern: SANDBOX_ID.source }),
    status: Type.Enum([...SANDBOX_STATUSES]),
    template: Type.String(),
    vcpus: Type.Integer(),
    memory_mb: Type.Integer({ description: "MiB" }),
    timeout_sec: Type.Integer({ description: "Seconds of inactivity before the sandbox is paused; 0 = never" }),
    on_timeout: Type.Enum(["pause", "destroy"]),
    auto_resume: Type.Boolean(),
    disk_bytes: Type.Integer({
      description: "Bytes on disk that the sandbox took when it was paused last, beyond those of its template",
    }),
    host_ip: Type.Optional(Type.String({ description: "Address at which its host reaches the sandbox" })),
    error: Type.Optional(Type.String({ description: "Why the status is `error`" })),
    reason: Type.Optional(SandboxReason),
    created_at: Timestamp,
    started_at: Type.Optional(Timestamp),
    last_active_at: Type.Optional(Timestamp),
    last_updated: Timestamp,
  },
  { title: "Sandbox" },
);
export type Sandbox = Static<typeof Sandbox>;

/** Path parameters of the routes of one sandbox. */
export const SandboxParams = Type.Object({
  id: Type.String({ pattern: SANDBOX_ID.source, description: "Sandbox id" }),
});
