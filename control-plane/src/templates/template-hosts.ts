import { LIMITS } from "@warren/contracts/limits";
import type { HeldTemplate } from "@warren/contracts/rest/hosts";
import { sql } from "kysely";
import { isForeignKeyViolation } from "../database/foreign-key-violation.ts";
import type { Db } from "../database/tables.ts";
import type {} from "./template-hosts-table.ts";

/** Seconds after which a host that does not name a template has none: what it says may be older than the template. */
const SETTLED_SEC = 120;

/** Which host has the files of which template; built-in ones are on every host and in no row. Hosts and templates are named by UUID. */
export class TemplateHosts {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Hosts that have a template, those of which it is known longest first. */
  async hostsHolding(templateId: string): Promise<string[]> {
    const rows = await this.#db
      .selectFrom("template_hosts")
      .select("host_id")
      .where("template_id", "=", templateId)
      .orderBy("noted_at")
      .orderBy("host_id")
      .execute();
    return rows.map(({ host_id }) => host_id);
  }

  async add(templateId: string, hostId: string, db: Db = this.#db): Promise<void> {
    const row = { template_id: templateId, host_id: hostId };
    await db
      .insertInto("template_hosts")
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** The host has said that it has no such template. */
  async remove(templateId: string, hostId: string): Promise<void> {
    await this.#db
      .deleteFrom("template_hosts")
      .where("template_id", "=", templateId)
      .where("host_id", "=", hostId)
      .execute();
  }

  /** Takes up what a host says that it has. Of the templates of teams whose sandboxes do not run on it nothing is believed. */
  async noteHeld(hostId: string, held: readonly HeldTemplate[]): Promise<void> {
    const ofTeams = held.filter(({ team_id }) => team_id !== undefined);
    const teams = ofTeams.map(({ team_id }) => team_id!);
    const names = ofTeams.map(({ name }) => name);
    const snapshots = ofTeams.map(({ snapshot_id }) => snapshot_id ?? "");
    const named = sql`select * from unnest(${teams}::uuid[], ${names}::text[], ${snapshots}::text[])
      as named (team_id, name, snapshot_id)`;
    if (held.length < LIMITS.heldTemplates) {
      await sql`
        delete from template_hosts using templates
        where template_hosts.host_id = ${hostId} and templates.id = template_hosts.template_id
          and template_hosts.noted_at < now() - make_interval(secs => ${SETTLED_SEC})
          and (templates.team_id, templates.name) not in (select team_id, name from (${named}) as held)
      `.execute(this.#db);
    }
    if (ofTeams.length === 0) return;
    // One that is from before hosts told which snapshot it is has one host.
    await sql`
      update templates set snapshot_id = held.snapshot_id
      from (${named}) as held, template_hosts
      where templates.team_id = held.team_id and templates.name = held.name and templates.type = 'snapshot'
        and templates.snapshot_id is null and held.snapshot_id <> ''
        and template_hosts.template_id = templates.id and template_hosts.host_id = ${hostId}
    `.execute(this.#db);
    const added = sql`
      insert into template_hosts (template_id, host_id)
      select templates.id, hosts.id from (${named}) as held
      join templates on templates.team_id = held.team_id and templates.name = held.name
        and templates.snapshot_id = held.snapshot_id
      join hosts on hosts.id = ${hostId} and (hosts.type = 'regular' or hosts.team_id = held.team_id)
      on conflict do nothing
    `.execute(this.#db);
    await added.catch((error: unknown) => {
      // A template was replaced at this very moment; the next sign of life tells.
      if (!isForeignKeyViolation(error)) throw error;
    });
  }
}
