import { WarrenError } from "@warren/contracts/errors";
import { BUILT_IN_TEAM } from "@warren/contracts/identifiers";
import type { Selectable } from "kysely";
import type { Db } from "../database/tables.ts";
import type { TemplatesTable } from "./templates-table.ts";

/** A row of `templates`. */
export type Template = Selectable<TemplatesTable>;

/** Rows of templates. */
export class TemplateStore {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** The template that a name means to a team: its own, else a built-in one. Throws `template_not_found`. */
  async find(teamId: string, name: string): Promise<Template> {
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
        `there is no template "${name}"; GET /v1/snapshots lists all templates`,
      );
    }
    return template;
  }

  /** Notes base images that a host has, so that sandboxes can start from them. */
  async addBuiltIn(names: string[]): Promise<void> {
    if (names.length === 0) return;
    await this.#db
      .insertInto("templates")
      .values(names.map((name) => ({ name, team_id: BUILT_IN_TEAM, type: "base" as const })))
      .onConflict((conflict) => conflict.columns(["team_id", "name"]).doNothing())
      .execute();
  }
}
