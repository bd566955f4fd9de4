import { WarrenError } from "@warren/contracts/errors";
import { BUILT_IN_TEAM } from "@warren/contracts/identifiers";
import { type Insertable, type Selectable, sql } from "kysely";
import type { Db } from "../database/tables.ts";
import type { TemplatesTable } from "./templates-table.ts";

/** A row of `templates`. */
export type TemplateRow = Selectable<TemplatesTable>;

/** Rows of templates. */
export class TemplateStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** The template that a name means to a team: its own, else a built-in one. Throws `template_not_found`. */
  async find(teamId: string, name: string): Promise<TemplateRow> {
    const rows = await this.#db
      .selectFrom("templates")
      .selectAll()
      .where("name", "=", name)
      .where("team_id", "in", [teamId, BUILT_IN_TEAM])
      .execute();
    const template = rows.find((row) => row.team_id === teamId) ?? rows[0];
    if (!template) {
      throw new WarrenError(
        "template_not_found",
        `there is no template "${name}"; the list of templates has all names`,
      );
    }
    return template;
  }

  /** The template that a team itself has under a name. */
  async findExact(teamId: string, name: string, db: Db = this.#db): Promise<TemplateRow | undefined> {
    return db
      .selectFrom("templates")
      .selectAll()
      .where("team_id", "=", teamId)
      .where("name", "=", name)
      .executeTakeFirst();
  }

  /** Those of many teams and names that are there. */
  async findEach(wanted: [teamId: string, name: string][]): Promise<TemplateRow[]> {
    const [teamIds, names] = [wanted.map(([teamId]) => teamId), wanted.map(([, name]) => name)];
    return this.#db
      .selectFrom("templates")
      .selectAll()
      .where(sql<boolean>`(team_id, name) in (select * from unnest(${teamIds}::uuid[], ${names}::text[]))`)
      .execute();
  }

  /** A team's own templates and the built-in ones, newest first. */
  async list(teamId: string, type?: TemplateRow["type"]): Promise<TemplateRow[]> {
    return this.#db
      .selectFrom("templates")
      .selectAll()
      .where("team_id", "in", [teamId, BUILT_IN_TEAM])
      .$if(type !== undefined, (query) => query.where("type", "=", type!))
      .orderBy("created_at", "desc")
      .orderBy("name")
      .execute();
  }

  async listOwn(teamId: string): Promise<TemplateRow[]> {
    return this.#db.selectFrom("templates").selectAll().where("team_id", "=", teamId).execute();
  }

  /** Stores a template; undefined, and no change, when there is one of this name and `overwrite` is not set. */
  async put(row: Insertable<TemplatesTable>, overwrite: boolean, db: Db): Promise<TemplateRow | undefined> {
    return db
      .insertInto("templates")
      .values(row)
      .onConflict((conflict) => {
        const same = conflict.columns(["team_id", "name"]);
        return overwrite ? same.doUpdateSet(row) : same.doNothing();
      })
      .returningAll()
      .executeTakeFirst();
  }

  /** Removes a row, unless the name has been given to another template meanwhile; whether it was there. */
  async remove({ team_id, name, created_at }: TemplateRow, db: Db): Promise<boolean> {
    const { numDeletedRows } = await db
      .deleteFrom("templates")
      .where("team_id", "=", team_id)
      .where("name", "=", name)
      .where("created_at", "=", created_at)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /** Notes base images that a host has, so that sandboxes can start from them. */
  async addBuiltIn(names: string[]): Promise<void> {
    if (names.length === 0) return;
    await this.#db
      .insertInto("templates")
      .values(
        names.map((name) => ({
          name,
          team_id: BUILT_IN_TEAM,
          type: "base" as const,
          snapshot_id: null,
          source_id: null,
        })),
      )
      .onConflict((conflict) => conflict.columns(["team_id", "name"]).doNothing())
      .execute();
  }
}
