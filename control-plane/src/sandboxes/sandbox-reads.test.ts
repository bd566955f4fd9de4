import { randomUUID } from "node:crypto";
import { DEFAULT_SPEC } from "@warren/contracts/rest/sandbox-spec";
import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { newSandboxId } from "@warren/server/sandbox-id";
import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { LIVE } from "../database/live-sandboxes.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { SandboxReads } from "./sandbox-reads.ts";
import { storedSpec } from "./sandbox-spec.ts";

/** What may happen to the sandboxes of a team: one is made, or one of those that were made changes or goes. */
const CHANGE = fc.record({
  team: fc.nat(2),
  sandbox: fc.nat(5),
  to: fc.constantFrom<(SandboxStatus | "touched" | "deleted")[]>(
    ...(["running", "paused", "stopped", "error", "touched", "deleted"] as const),
  ),
});

describe("sandbox reads", () => {
  const fixture = testDatabase();
  let database: Database;
  beforeAll(async () => {
    database = await openDatabase(fixture().config, createLogger("silent"));
  });
  afterAll(() => database?.close());

  it("prepares its statements once, and goes on when a newer control plane adds a column", async () => {
    const { db } = database;
    const [teamId, id] = [randomUUID(), newSandboxId()];
    const slug = teamId.replace(/^(.{6})(..)-(....).*$/, "$1-$2$3");
    await db.insertInto("teams").values({ id: teamId, name: "team", slug, deleted_at: null }).execute();
    const insert = (id: string) => {
      const row = { id, team_id: teamId, spec: storedSpec(DEFAULT_SPEC), status: "running" as const };
      return db.insertInto("sandboxes").values(row).execute();
    };
    await insert(id);
    const reads = new SandboxReads(db);
    for (const column of ["newer", "newest"]) {
      expect(await reads.get(teamId, id)).toMatchObject({ id, spec: DEFAULT_SPEC });
      await insert(newSandboxId());
      expect((await reads.list(teamId)).length).toBeGreaterThan(1);
      await sql`alter table sandboxes add column ${sql.ref(column)} text`.execute(db);
    }
    expect(await reads.get(teamId, id)).toMatchObject({ id });
    const { rows } = await sql<{ name: string }>`select name from pg_prepared_statements order by name`.execute(db);
    await sql`alter table sandboxes drop column newer, drop column newest`.execute(db);
    expect(rows.map(({ name }) => name)).toEqual([
      "sandbox_list_versions",
      "sandbox_lists",
      "sandbox_versions_by_id",
      "sandboxes_by_id",
    ]);
  });

  it("lists what the table holds after every change, whoever made it, and whatever is kept from before", async () => {
    const { db } = database;
    const newTeam = async () => {
      const id = randomUUID();
      const slug = id.replace(/^(.{6})(..)-(....).*$/, "$1-$2$3");
      await db.insertInto("teams").values({ id, name: "team", slug, deleted_at: null }).execute();
      return id;
    };
    await fc.assert(
      fc.asyncProperty(fc.array(CHANGE, { minLength: 1, maxLength: 12 }), async (changes) => {
        const teams = await Promise.all([newTeam(), newTeam(), newTeam()]);
        const ids = teams.map(() => Array.from({ length: 6 }, newSandboxId));
        const reads = new SandboxReads(db);
        for (const { team, sandbox, to } of changes) {
          const teamId = teams[team]!;
          const id = ids[team]![sandbox]!;
          const row = { id, team_id: teamId, spec: storedSpec(DEFAULT_SPEC) };
          if (to === "deleted") await db.deleteFrom("sandboxes").where("id", "=", id).execute();
          else {
            const change = to === "touched" ? { last_active_at: new Date() } : { status: to };
            await db
              .insertInto("sandboxes")
              .values({ ...row, status: to === "touched" ? "running" : to })
              .onConflict((conflict) => conflict.column("id").doUpdateSet(change))
              .execute();
          }
          for (const asked of teams) {
            const expected = await db
              .selectFrom("sandboxes")
              .selectAll()
              .where("team_id", "=", asked)
              .where(LIVE)
              .orderBy("created_at", "desc")
              .orderBy("id", "desc")
              .execute();
            expect(await reads.list(asked)).toEqual(expected);
            for (const one of expected) expect(await reads.get(asked, one.id)).toEqual(one);
          }
          expect(await reads.get(teams[(team + 1) % 3]!, id)).toBeUndefined();
        }
      }),
      { seed: 1, numRuns: 15 },
    );
  });
});
