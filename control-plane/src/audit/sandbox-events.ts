import type { AuditStatus } from "@warren/contracts/rest/audit";
import { type Actor, actorOf, type Caller, SYSTEM } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import type { AuditEvent, AuditMetadata } from "./audit-event.ts";
import { recordIn } from "./audit-store.ts";
import { commandLine } from "./command-line.ts";

/** A sandbox as events name it. */
export interface AuditedSandbox {
  id: string;
  team_id: string;
}

/** Why something happened to a sandbox that nobody asked for, as the API gives it. */
type Reason = { code: string; message: string } | null;

/** The events of sandboxes, and of what is done in them. What is done in them belongs to no change of the database. */
export class SandboxEvents {
  readonly #record: (event: AuditEvent) => Promise<void>;

  /** `record` takes events that belong to no change. */
  constructor(record: (event: AuditEvent) => Promise<void>) {
    this.#record = record;
  }

  /** A sandbox runs for the first time; `error`: it did not start. */
  sandboxCreated(
    db: Db,
    by: Actor,
    sandbox: AuditedSandbox,
    about: { template: string; name?: string; error?: string },
  ) {
    return recordIn(db, {
      ...ofSandbox(sandbox, by),
      action: "create",
      status: about.error === undefined ? "success" : "error",
      metadata: about,
    });
  }

  /** As `sandboxCreated`, of a copy. */
  sandboxForked(
    db: Db,
    by: Actor,
    sandbox: AuditedSandbox,
    about: { source?: string; template: string; error?: string },
  ) {
    return recordIn(db, {
      ...ofSandbox(sandbox, by),
      action: "fork",
      status: about.error === undefined ? "success" : "error",
      metadata: about,
    });
  }

  /** A sandbox was paused as asked for; `error`: it runs on. */
  sandboxPaused(db: Db, by: Actor, sandbox: AuditedSandbox, outcome: "success" | "error") {
    return recordIn(db, { ...ofSandbox(sandbox, by), action: "pause", status: outcome });
  }

  /** A sandbox was paused by itself, such as for inactivity. */
  sandboxAutoPaused(db: Db, sandbox: AuditedSandbox, reason: Reason) {
    return recordIn(db, { ...ofSandbox(sandbox), action: "pause", status: "info", metadata: reasonOf(reason) });
  }

  /** A sandbox was resumed; `error`: it stays paused. */
  sandboxResumed(db: Db, by: Actor, sandbox: AuditedSandbox, outcome: "success" | "error") {
    return recordIn(db, { ...ofSandbox(sandbox, by), action: "resume", status: outcome });
  }

  /** A paused sandbox runs again though nobody asked the API for it. */
  sandboxAutoResumed(db: Db, sandbox: AuditedSandbox) {
    return recordIn(db, { ...ofSandbox(sandbox), action: "resume", status: "info" });
  }

  /** A sandbox was returned to its last pause; `error`: it runs on. */
  sandboxRolledBack(db: Db, by: Actor, sandbox: AuditedSandbox, outcome: "success" | "error") {
    return recordIn(db, { ...ofSandbox(sandbox, by), action: "rollback", status: outcome });
  }

  /** Settings of a sandbox were changed; `fields` names them. */
  sandboxUpdated(db: Db, by: Actor, sandbox: AuditedSandbox, fields: string[]) {
    return recordIn(db, { ...ofSandbox(sandbox, by), action: "update", status: "info", metadata: { fields } });
  }

  /** A command is started. Neither its environment, nor its input or output is recorded. */
  commandStarted(
    by: Caller,
    sandboxId: string,
    command: {
      cmd: string;
      args?: readonly string[] | undefined;
      user?: string | undefined;
      background?: boolean | undefined;
      tag?: string | undefined;
    },
  ): Promise<void> {
    const { cmd, args = [], user, background, tag } = command;
    const metadata = { command: commandLine([cmd, ...args]), user, ...(background && { background }), tag };
    return this.#inSandbox(by, sandboxId, { action: "exec", status: "info", metadata });
  }

  /** Somebody has joined a command that was started before. What they type and read is not recorded. */
  processJoined(by: Caller, sandboxId: string, about: { process: string; tag?: string }): Promise<void> {
    return this.#inSandbox(by, sandboxId, { action: "join_process", status: "info", metadata: about });
  }

  /** A command was sent a signal, `times` over when that is more than once; `process` is its process id or tag. */
  processSignalled(
    by: Caller,
    sandboxId: string,
    about: { process: string; signal: string; times?: number },
  ): Promise<void> {
    return this.#inSandbox(by, sandboxId, { action: "signal_process", status: "info", metadata: about });
  }

  /** A command was told to end, with all its processes. */
  processEnded(by: Caller, sandboxId: string, about: { process: string }): Promise<void> {
    return this.#inSandbox(by, sandboxId, { action: "end_process", status: "warning", metadata: about });
  }

  /** A file was written as a whole. */
  fileWritten(by: Caller, sandboxId: string, file: { path: string; name?: string; bytes: number }): Promise<void> {
    return this.#inSandbox(by, sandboxId, { action: "write_file", status: "success", metadata: file });
  }

  /** An archive was unpacked into a directory; `error`: not all of it, or a part before it broke off. */
  archiveUnpacked(
    by: Caller,
    sandboxId: string,
    about: { path: string; user?: string | undefined; bytes: number; error?: string },
  ): Promise<void> {
    const status = about.error === undefined ? "success" : "error";
    return this.#inSandbox(by, sandboxId, { action: "write_file", status, metadata: { ...about, archive: true } });
  }

  directoryMade(by: Caller, sandboxId: string, about: { path: string; user?: string | undefined }): Promise<void> {
    return this.#inSandbox(by, sandboxId, { action: "make_directory", status: "success", metadata: about });
  }

  /** A file or a directory has another place or name. */
  fileMoved(
    by: Caller,
    sandboxId: string,
    about: { source: string; destination: string; user?: string | undefined },
  ): Promise<void> {
    return this.#inSandbox(by, sandboxId, { action: "move_file", status: "success", metadata: about });
  }

  /** A file or a directory was removed; `error`: a part of it may be left. */
  fileRemoved(
    by: Caller,
    sandboxId: string,
    about: { path: string; recursive?: boolean | undefined; user?: string | undefined; error?: string },
  ): Promise<void> {
    const status = about.error === undefined ? "warning" : "error";
    return this.#inSandbox(by, sandboxId, { action: "remove_file", status, metadata: about });
  }

  /** Sandboxes are destroyed: nothing keeps them from it any more. */
  sandboxesDestroyed(db: Db, by: Actor, sandboxes: readonly AuditedSandbox[], reason: Reason = null) {
    return recordIn(
      db,
      ...sandboxes.map(
        (sandbox): AuditEvent => ({
          ...ofSandbox(sandbox, by),
          action: "destroy",
          status: "warning",
          metadata: reasonOf(reason),
        }),
      ),
    );
  }

  /** A sandbox ended though nobody asked for it. */
  sandboxStopped(db: Db, sandbox: AuditedSandbox, reason: Reason) {
    const isOrderly = reason !== null && ORDERLY.has(reason.code);
    return recordIn(db, {
      ...ofSandbox(sandbox),
      action: "stop",
      status: isOrderly ? "info" : "error",
      metadata: reasonOf(reason),
    });
  }

  /** The host of sandboxes does not answer. */
  sandboxesMissing(db: Db, sandboxes: readonly AuditedSandbox[]) {
    const metadata = reasonOf({ code: "host_unavailable", message: "the host of the sandbox does not answer" });
    return recordIn(
      db,
      ...sandboxes.map(
        (sandbox): AuditEvent => ({ ...ofSandbox(sandbox), action: "missing", status: "error", metadata }),
      ),
    );
  }

  /** The host of a missing sandbox answers again, and says that it has this status, for this reason. */
  sandboxFound(db: Db, sandbox: AuditedSandbox, status: string, reason: Reason) {
    const metadata = { status, ...reasonOf(reason) };
    return recordIn(db, { ...ofSandbox(sandbox), action: "found", status: "info", metadata });
  }

  #inSandbox(
    by: Caller,
    id: string,
    event: { action: ActionInSandbox; status: AuditStatus; metadata: AuditMetadata },
  ): Promise<void> {
    return this.#record({ ...ofSandbox({ id, team_id: by.teamId }, actorOf(by)), ...event });
  }
}

/** What somebody does in a sandbox that runs. */
type ActionInSandbox =
  | "exec"
  | "join_process"
  | "signal_process"
  | "end_process"
  | "write_file"
  | "make_directory"
  | "move_file"
  | "remove_file";

/** Reasons of ends that somebody in the sandbox, or the operator, has wanted. */
const ORDERLY = new Set(["guest_powered_off", "guest_rebooted", "ended_by_operator"]);

function ofSandbox({ id, team_id }: AuditedSandbox, actor: Actor = SYSTEM) {
  return { teamId: team_id, actor, resource: "sandbox" as const, resourceId: id };
}

function reasonOf(reason: Reason): { reason?: string; message?: string } {
  return reason ? { reason: reason.code, message: reason.message } : {};
}
