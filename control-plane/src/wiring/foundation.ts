import { logOperation } from "@warren/server/operation-timing";
import { AuditLogger } from "../audit/audit-logger.ts";
import { AuditOutbox } from "../audit/audit-outbox.ts";
import { AuditRecorder } from "../audit/audit-recorder.ts";
import { auditRetention } from "../audit/audit-retention.ts";
import { AccessChanges } from "../auth/access-changes.ts";
import type { Config } from "../config.ts";
import type { DataDirectory } from "../database/data-directory.ts";
import { type Database, openDatabase } from "../database/database.ts";
import type { Db } from "../database/tables.ts";
import { DetachedOperations } from "../detached-operations.ts";
import type { Logger } from "../logging.ts";
import { Secrets } from "../secrets/secrets.ts";

/** Has something done when the control plane ends; the last that was said is done first. */
export type OnClose = (end: () => Promise<unknown>) => void;

/** What all areas stand on. */
export interface Foundation {
  config: Config;
  log: Logger;
  database: Database;
  db: Db;
  secrets: Secrets;
  /** Changes of who may do what. */
  changes: AccessChanges;
  /** Where it is recorded what happens. */
  audit: AuditLogger;
  /** Events of the audit log that wait for the database. */
  auditOutbox: AuditOutbox;
  /** What goes on when its client has left. */
  operations: DetachedOperations;
  onClose: OnClose;
}

/** Opens the database of a data directory that is being taken. */
export async function createFoundation(
  config: Config,
  log: Logger,
  taken: Promise<DataDirectory>,
  onClose: OnClose,
): Promise<Foundation> {
  const directory = await taken;
  onClose(() => directory.release());
  const database = await openDatabase(config, log, directory.embedded);
  onClose(() => database.close());
  const { db } = database;
  const auditOutbox = new AuditOutbox(config.dataDir);
  const recorder = new AuditRecorder({ db, outbox: auditOutbox, log });
  onClose(() => recorder.close());
  await recorder.start();
  const secrets = await Secrets.open(db, config, log);
  const changes = new AccessChanges(database.messages, log);
  onClose(await changes.follow());
  const audit = new AuditLogger(recorder);
  if (config.auditRetentionDays !== undefined) {
    const { leadership } = database;
    const retention = auditRetention({ db, leadership, log, keptDays: config.auditRetentionDays });
    retention.start();
    onClose(() => retention.close());
  }
  const operations = new DetachedOperations();
  operations.onEnd = (ended, subject) => logOperation(log, ended, subject);
  return { config, log, database, db, secrets, changes, audit, auditOutbox, operations, onClose };
}
