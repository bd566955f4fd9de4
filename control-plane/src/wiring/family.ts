import { FamilyReads } from "../family/family-reads.ts";
import { familyRetention } from "../family/family-retention.ts";
import type { Foundation } from "./foundation.ts";

/** Wires together what tells what came of what, and forgets what is gone for long. */
export function createFamily({ config, db, database, log, onClose }: Foundation): FamilyReads {
  if (config.endedRetentionDays !== undefined) {
    const { leadership } = database;
    const retention = familyRetention({ db, leadership, log, keptDays: config.endedRetentionDays });
    retention.start();
    onClose(() => retention.close());
  }
  return new FamilyReads(db);
}
