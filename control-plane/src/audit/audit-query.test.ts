import type { AuditFilters, AuditScope } from "@warren/contracts/rest/audit";
import { Kysely, type LogEvent, PostgresDialect } from "kysely";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Tables } from "../database/tables.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { AuditQuery } from "./audit-query.ts";

const TEAM = "11111111-2222-3333-4444-555555555555";
const EVENTS = 40_000;
const ACTOR = `key-${"0".repeat(25)}`;

const STRANGER = `key-${"1".repeat(25)}`;
const SANDBOX = `sb${"a".repeat(20)}`;
const PAGE = 50;

/** One actor runs commands in a sandbox, and long ago made ten forks of it; the stranger forks another all the time. */
const SEED = `insert into audit_logs (id, team_id, actor_type, actor_id, resource_type, resource_id, action, scope, created_at)
  select gen_random_uuid(), $1, 'api_key', (array[$2, $3])[n % 2 + 1], 'sandbox', (array[$4, 'sbb'])[n % 2 + 1],
    case when n = 1 then 'pause' when n <= 20 or n % 2 = 1 then 'fork' else 'exec' end, 'team', now() - (${EVENTS} - n) * interval '1 second'
  from generate_series(1, ${EVENTS}) as n`;

interface PlanNode {
  "Relation Name"?: string;
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  Plans?: PlanNode[];
}

/** Rows of the log that a plan has looked at. */
function lookedAt(node: PlanNode): number {
  const rows = node["Actual Rows"] + (node["Rows Removed by Filter"] ?? 0);
  const own = node["Relation Name"] === "audit_logs" ? rows * node["Actual Loops"] : 0;
  return (node.Plans ?? []).reduce((sum, plan) => sum + lookedAt(plan), own);
}

describe("a page of the audit log", () => {
  const database = testDatabase();
  const statements: { sql: string; parameters: readonly unknown[] }[] = [];
  let pool: pg.Pool;
  let query: AuditQuery;
  beforeAll(async () => {
    pool = new pg.Pool({ connectionString: database().config.databaseUrl });
    const log = ({ query }: LogEvent) => {
      statements.push(query);
    };
    query = new AuditQuery(new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), log }));
    await pool.query(SEED, [TEAM, ACTOR, STRANGER, SANDBOX]);
    await pool.query("vacuum analyze audit_logs");
  });
  afterAll(() => pool?.end());

  const old = new Date(Date.now() - (EVENTS - 1000) * 1000).toISOString();
  it.each<[string, AuditFilters, number, AuditScope[]?]>([
    ["of all events", {}, PAGE],
    ["before a time", { to: old }, PAGE],
    ["of a type", { resource_type: ["sandbox"] }, PAGE],
    ["of a type, as a member sees it", { resource_type: ["sandbox"] }, PAGE, ["team"]],
    ["of a rare kind", { action: ["pause"] }, 1],
    ["of a kind that there is none of", { action: ["stop,resume", "destroy"] }, 0],
    ["by an actor", { actor: [ACTOR] }, PAGE],
    ["by an actor who did nothing", { actor: ["system"] }, 0],
    ["of a kind that is rare by an actor", { actor: [ACTOR], action: ["fork"] }, 10],
    ["of a kind that is rare by an actor, as a member sees it", { actor: [ACTOR], action: ["fork"] }, 10, ["team"]],
    ["about another type by an actor", { actor: [ACTOR], resource_type: ["user"] }, 0],
    ["about a sandbox", { resource_id: SANDBOX }, PAGE],
    ["of a kind that is rare about a sandbox", { resource_id: SANDBOX, action: ["fork"] }, 10],
    ["by an actor about a sandbox", { resource_id: SANDBOX, actor: [ACTOR] }, PAGE],
    ["by an actor who did nothing to it about a sandbox", { resource_id: SANDBOX, actor: [STRANGER] }, 0],
    [
      "of a kind that is rare by an actor about it, before a time",
      { to: old, resource_id: SANDBOX, actor: [ACTOR], action: ["fork"] },
      10,
    ],
  ])("%s is read without a look at the rest of the log", async (_, filters, count, scopes = ["team", "admin"]) => {
    statements.length = 0;
    const { items } = await query.page({ teamId: TEAM, scopes }, filters, { limit: PAGE });
    expect(items.length).toBe(count);
    const [{ sql, parameters } = { sql: "", parameters: [] }] = statements;
    const { rows } = await pool.query(`explain (analyze, format json) ${sql}`, [...parameters]);
    // A page from each of three kinds at most, and the rows of the page itself.
    expect(lookedAt(rows[0]["QUERY PLAN"][0].Plan)).toBeLessThanOrEqual(4 * (PAGE + 1));
  });
});
