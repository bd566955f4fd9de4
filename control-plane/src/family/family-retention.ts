import { sql } from "kysely";
import { OVER } from "../database/live-sandboxes.ts";
import { REMOVED_TOGETHER, Retention, type RetentionParts } from "../database/retention.ts";
import type { Db } from "../database/tables.ts";

export interface FamilyRetentionParts extends Pick<RetentionParts, "leadership" | "log"> {
  db: Db;
  /** Days for which a sandbox that is over, and a template that is gone, are known: longer than what they used is. */
  keptDays: number;
}

/**
 * Removes sandboxes that were over for long, and templates that were gone, once nothing that is known came of them: what is
 * there, or is known still, keeps its descent up to the root.
 */
export function familyRetention({ db, keptDays, ...parts }: FamilyRetentionParts): Retention {
  const removeSome = () => removeLeaves(db, keptDays);
  return new Retention({
    ...parts,
    name: "family retention",
    what: "sandboxes and templates that are gone",
    removeSome,
  });
}

/**
 * Removes some of those that nothing came of; returns how many. What they came of may be among those of the next time. Nothing
 * comes to descend from what is gone meanwhile: copies and templates are made of sandboxes that live.
 */
async function removeLeaves(db: Db, keptDays: number): Promise<number> {
  const limit = sql`now() - ${keptDays}::integer * interval '1 day'`;
  const { rows } = await sql<{ removed: number }>`
    with sandbox as (
      delete from sandboxes where id = any(array(
        select id from sandboxes as gone where ${OVER} and last_updated < ${limit}
          and not exists (select from sandboxes where forked_from = gone.id)
          and not exists (select from templates where source_id = gone.id)
          and not exists (select from former_templates where source_id = gone.id)
        limit ${REMOVED_TOGETHER}
      )) returning id
    ), template as (
      delete from former_templates where id = any(array(
        select id from former_templates as gone where ended_at < ${limit}
          and not exists (select from sandboxes where template_id = gone.id)
        limit ${REMOVED_TOGETHER}
      )) returning id
    )
    select ((select count(*) from sandbox) + (select count(*) from template))::integer as removed
  `.execute(db);
  return rows[0]?.removed ?? 0;
}
