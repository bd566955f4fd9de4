import { LIMITS } from "@warren/contracts/limits";
import type { Family, FamilyNode, FamilyQuery } from "@warren/contracts/rest/family";
import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { sql } from "kysely";
import { LIVE, OVER } from "../database/live-sandboxes.ts";
import type { Db } from "../database/tables.ts";
import { toWireId } from "../identifiers/wire-id.ts";

/** Rows of which the tree is made: a template where `template_id` is set, else a sandbox. */
interface FamilyRow {
  sandbox_id: string | null;
  template_id: string | null;
  parent_sandbox: string | null;
  parent_template: string | null;
  name: string | null;
  status: SandboxStatus | null;
  template: string | null;
  type: "base" | "snapshot" | null;
  bytes: string | null;
  created_at: Date;
  ended_at: Date | null;
}

/** What is taken of the rows of a walk at most: one more tells that there are more. */
const MOST = LIMITS.familyNodes;

/** What teams' sandboxes and templates were made of. */
export class FamilyReads {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  /** All that is there, with what it came from up to the roots. The walk goes by keys, level by level, and stops at a limit. */
  async get(teamId: string, { ended = false, sandbox_id }: FamilyQuery): Promise<Family> {
    const named = sandbox_id ?? null;
    const gone = ended ? LIMITS.endedSandboxes : 0;
    const { rows } = await sql<FamilyRow>`
      with recursive member as (
        select * from (
          (select id as sandbox_id, null::uuid as template_id from sandboxes
            where team_id = ${teamId} and ${LIVE} order by created_at desc limit ${MOST + 1})
          union all
          (select null, id from templates where team_id = ${teamId} order by created_at desc limit ${MOST + 1})
          union all
          (select id, null from sandboxes where team_id = ${teamId} and id = ${named}::text)
          union all
          (select id, null from sandboxes where team_id = ${teamId} and ${OVER} order by created_at desc limit ${gone})
          union all
          (select null, id from former_templates where team_id = ${teamId} order by ended_at desc limit ${gone})
        ) as begun
        union
        select parent.sandbox_id, parent.template_id from member, lateral (
          select forked_from as sandbox_id, case when forked_from is null then sandboxes.template_id end as template_id
            from sandboxes where id = member.sandbox_id
          union all
          select source_id, null from templates where id = member.template_id
          union all
          select source_id, null from former_templates where id = member.template_id
        ) as parent
        where parent.sandbox_id is not null or parent.template_id is not null
      ),
      taken as (select * from member limit ${MOST + 1})
      select
        taken.sandbox_id,
        taken.template_id,
        coalesce(sandbox.forked_from, present.source_id, former.source_id) as parent_sandbox,
        case when sandbox.forked_from is null then sandbox.template_id end as parent_template,
        coalesce(sandbox.name, present.name, former.name) as name,
        sandbox.status,
        sandbox.spec ->> 'template' as template,
        case when taken.template_id is not null then coalesce(present.type, 'snapshot') end as type,
        coalesce(sandbox.disk_bytes, present.size_bytes) as bytes,
        coalesce(sandbox.created_at, present.created_at, former.created_at) as created_at,
        coalesce(case when ${OVER} then sandbox.last_updated end, former.ended_at) as ended_at
      from taken
      left join sandboxes as sandbox on sandbox.id = taken.sandbox_id and sandbox.team_id = ${teamId}
      left join templates as present on present.id = taken.template_id
      left join former_templates as former on former.id = taken.template_id
      where coalesce(sandbox.created_at, present.created_at, former.created_at) is not null
      order by created_at, taken.sandbox_id, taken.template_id
    `.execute(this.#db);
    return { nodes: rows.slice(-MOST).map(toNode), complete: rows.length <= MOST };
  }
}

function toNode(row: FamilyRow): FamilyNode {
  const parent = row.parent_sandbox ?? (row.parent_template && toWireId("tpl", row.parent_template));
  const shared = {
    ...(parent !== null && { parent }),
    created_at: row.created_at.toISOString(),
    ...(row.ended_at && { ended_at: row.ended_at.toISOString() }),
  };
  if (row.template_id !== null) {
    return {
      kind: "template",
      id: toWireId("tpl", row.template_id),
      ...shared,
      name: row.name!,
      type: row.type!,
      ...(row.bytes !== null && { size_bytes: Number(row.bytes) }),
    };
  }
  return {
    kind: "sandbox",
    id: row.sandbox_id!,
    ...shared,
    ...(row.name !== null && { name: row.name }),
    status: row.status!,
    template: row.template!,
    disk_bytes: Number(row.bytes),
  };
}
