import { randomBytes, randomUUID } from "node:crypto";
import type { Db } from "../database/tables.ts";

/** Rows of teams. */
export class TeamStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Whether no team was ever made. */
  async isEmpty(db: Db = this.#db): Promise<boolean> {
    return (await db.selectFrom("teams").select("id").limit(1).executeTakeFirst()) === undefined;
  }

  /** Makes a team with a slug of its own; returns its UUID. `db` may be a transaction. */
  async insert(name: string, db: Db = this.#db): Promise<string> {
    for (;;) {
      const id = randomUUID();
      const row = await db
        .insertInto("teams")
        .values({ id, name, slug: newSlug() })
        .onConflict((conflict) => conflict.column("slug").doNothing())
        .returning("id")
        .executeTakeFirst();
      if (row) return row.id;
    }
  }
}

/** Twelve random hex digits as `xxxxxx-xxxxxx`. */
function newSlug(): string {
  const hex = randomBytes(6).toString("hex");
  return `${hex.slice(0, 6)}-${hex.slice(6)}`;
}
