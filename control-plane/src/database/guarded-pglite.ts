import type { PGlite } from "@electric-sql/pglite";
import type { PGliteDialectConfig } from "kysely";
import type { DatabaseDisk } from "./database-disk.ts";

type DialectPglite = Exclude<PGliteDialectConfig["pglite"], (...args: never[]) => unknown>;
type Query = DialectPglite["query"];

/** Statements that write nothing that matters. */
const READS = /^\s*(select|show)\b/i;

/**
 * An embedded database whose statements write only where the disk has room. Once PostgreSQL has given up (severity PANIC),
 * PGlite would spin at its next statement: `onPanic`, which must end the process, is called then.
 */
export function guardPglite(pglite: PGlite, disk: DatabaseDisk, onPanic: (error: unknown) => void): DialectPglite {
  const guarded =
    (query: Query): Query =>
    async (sql, parameters, options) => {
      if (!READS.test(sql)) disk.requireSpace();
      try {
        return await query(sql, parameters, options);
      } catch (error) {
        if ((error as { severity?: string }).severity === "PANIC") onPanic(error);
        throw error;
      }
    };
  return {
    get closed() {
      return pglite.closed;
    },
    get ready() {
      return pglite.ready;
    },
    waitReady: pglite.waitReady,
    close: () => pglite.close(),
    query: guarded((...statement) => pglite.query(...statement)),
    transaction: (work) =>
      pglite.transaction((transaction) =>
        work({
          query: guarded((...statement) => transaction.query(...statement)),
          rollback: () => transaction.rollback(),
        }),
      ),
  };
}
