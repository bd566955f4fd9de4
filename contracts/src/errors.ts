/**
 * The catalogue of errors. A code is the contract: clients and processes compare codes, and nobody reads messages.
 * `status` is the HTTP status of the REST API.
 */
export const ERRORS = {
  invalid_request: { status: 400 },
  unauthorized: { status: 401 },
  forbidden: { status: 403 },
  no_team: { status: 403 },
  /** An administrator has shut the user out. */
  account_deactivated: { status: 403 },
  /** What was asked for takes a session that was opened a moment ago. */
  recent_login_required: { status: 403 },
  /** Accounts are made by the operator of this server only. */
  signup_closed: { status: 403 },
  not_found: { status: 404 },
  provider_not_found: { status: 404 },
  template_not_found: { status: 404 },
  file_not_found: { status: 404 },
  /** The sandbox has no such command, or it has ended. */
  process_not_found: { status: 404 },
  invalid_path: { status: 400 },
  method_not_allowed: { status: 405 },
  /** The client sent its request too slowly. */
  request_timeout: { status: 408 },
  /** The user of the sandbox whose rights a call has may not do that with the file. */
  file_forbidden: { status: 403 },
  /** The file itself, or its file system, refused with an error of its own, such as one of /proc. */
  file_error: { status: 422 },
  conflict: { status: 409 },
  already_exists: { status: 409 },
  email_taken: { status: 409 },
  /** The user owns a team that others are in, so that the account cannot be deleted. */
  owns_team_with_members: { status: 409 },
  /** Without it nobody could sign in to the account any more. */
  last_login_method: { status: 409 },
  /** A link that works once was used, has expired, or was overtaken by a newer one or by what it was for. */
  link_invalid: { status: 410 },
  invalid_state: { status: 409 },
  too_large: { status: 413 },
  /** The body of the request is compressed, or otherwise encoded. */
  unsupported_encoding: { status: 415 },
  /** The request names a host that this server does not answer for. */
  misdirected_request: { status: 421 },
  rate_limited: { status: 429 },
  quota_exceeded: { status: 429 },
  /** The route is a WebSocket. */
  upgrade_required: { status: 426 },
  headers_too_large: { status: 431 },
  internal_error: { status: 500 },
  /** The server knows no such method, for any path. */
  method_not_implemented: { status: 501 },
  /** The host agent is of an earlier version, which cannot do this. */
  host_outdated: { status: 501 },
  /** The host agent answered with an error that none of the other codes describes. */
  agent_error: { status: 502 },
  /** The microVM did not come up; the message ends with the last lines of its console. */
  boot_failed: { status: 502 },
  /** The guest agent of a running sandbox does not answer. */
  guest_unreachable: { status: 504 },
  /** What was asked for takes mails, and the operator has configured no mail server. */
  mail_not_configured: { status: 409 },
  /** A provider of sign-ins does not answer as it should. */
  provider_unavailable: { status: 502 },
  /** The mail server did not take a mail. */
  mail_failed: { status: 502 },
  /** The host has sandboxes or templates that would be lost with it; the error names them. */
  has_active_sandboxes: { status: 409 },
  host_unavailable: { status: 503 },
  /** The control plane's database server cannot be reached. */
  database_unavailable: { status: 503 },
  /** The server was stopped before it had the answer; what it had begun may have happened. */
  server_stopping: { status: 503 },
  /** A client had no answer, or half of one, from the control plane. Made by clients only. */
  server_unreachable: { status: 503 },
  /** A command was ended because its time was up. Made by clients only; the API tells it with the result. */
  command_timed_out: { status: 504 },
  no_hosts_available: { status: 503 },
  /** The host has no memory, disk or network slot left for another sandbox. */
  host_full: { status: 503 },
  /** A stored snapshot is corrupted, truncated or not of this format; nothing else is affected. */
  snapshot_damaged: { status: 500 },
  /** A stored snapshot was made with another VMM, machine shape or processor model than this host has. */
  snapshot_incompatible: { status: 409 },
  /** Kernel, initramfs or a root file system could not be built; the message ends with the last lines of the tool. */
  image_build_failed: { status: 500 },
  /** The guest has no processes, memory or open files left for what was asked; the message says which. */
  guest_exhausted: { status: 507 },
  /** The guest's disk is full. */
  disk_full: { status: 507 },
  /** The host's disk is full; what was to be saved there was not saved. */
  host_disk_full: { status: 507 },
} as const satisfies Record<string, { status: number }>;

/** Code of the error catalogue. */
export type ErrorCode = keyof typeof ERRORS;

/** An error with a code of the catalogue and a message that tells the user what happened and what to do. */
export class WarrenError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "WarrenError";
    this.code = code;
  }

  /** HTTP status of the REST API for this code. */
  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** Whether a text is a code of the catalogue, such as one that another process sent. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}
