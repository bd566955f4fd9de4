import { BatchedReads } from "../database/batched-reads.ts";
import type { Db } from "../database/tables.ts";
import { FINAL, type SandboxRow } from "./sandbox-store.ts";

/**
 * Look-ups of sandboxes by clients, of which a busy team makes many at once: they share queries. Rows and lists that
 * callers share must not be changed.
 */
export class SandboxReads {
  readonly #byId: BatchedReads<SandboxRow>;
  readonly #byTeam: BatchedReads<readonly SandboxRow[]>;

  constructor(db: Db) {
    this.#byId = new BatchedReads(async (ids) => {
      const rows = await db.selectFrom("sandboxes").selectAll().where("id", "in", ids).execute();
      return new Map(rows.map((row) => [row.id, row]));
    });
    this.#byTeam = new BatchedReads(async (teamIds) => {
      const rows = await db
        .selectFrom("sandboxes")
        .selectAll()
        .where("team_id", "in", teamIds)
        .where("status", "not in", FINAL)
        .orderBy("created_at", "desc")
        .orderBy("id", "desc")
        .execute();
      return Map.groupBy(rows, (row) => row.team_id);
    });
  }

  async get(teamId: string, id: string): Promise<SandboxRow | undefined> {
    const row = await this.#byId.get(id);
    return row?.team_id === teamId ? row : undefined;
  }

  /** Sandboxes of a team that are not over, newest first. */
  async list(teamId: string): Promise<readonly SandboxRow[]> {
    return (await this.#byTeam.get(teamId)) ?? [];
  }
}
