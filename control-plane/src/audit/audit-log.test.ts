import { randomUUID } from "node:crypto";
import type { AuditLog, AuditPage } from "@warren/contracts/rest/audit";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../config.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { eventsOf, query } from "../testing/audit-events.ts";
import { expectStatus, Person, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { fromCursor, timeOf, toCursor } from "./audit-cursor.ts";

/** Rows of a team whose times differ by less than a millisecond, or not at all. */
const SEED = `insert into audit_logs (id, team_id, actor_type, actor_id, actor_name, resource_type, resource_id, action, scope, created_at)
  select gen_random_uuid(), $1, case n % 3 when 0 then 'system' else 'user' end, case n % 3 when 0 then '' else $2 end, 'Eve',
    (array['sandbox', 'sandbox', 'sandbox'])[n % 3 + 1], 'box-' || n % 10, (array['create', 'pause', 'destroy'])[n % 3 + 1],
    case n % 5 when 0 then 'admin' else 'team' end, timestamptz '2026-01-02T03:04:05.678Z' + n / 2 * interval '1 microsecond'
  from generate_series(1, 450) as n`;

describe("the audit log", () => {
  const database = testDatabase();
  let stack: TestStack;
  let owner: Person;
  let member: Person;
  const ask = (text: string, values?: unknown[]) => query(database().config.databaseUrl, text, values);
  beforeAll(async () => {
    stack = await startAccountStack(database());
    owner = await (await Person.signUp(stack)).createTeam();
    member = await owner.addMember(await Person.signUp(stack));
    await expectStatus(await owner.call("POST", "/v1/sandboxes", {}), 201);
    await ask(SEED, [fromWireId("team", owner.teamId), owner.userId]);
  });
  afterAll(() => stack?.close());

  /** All pages of a query, one after the other. */
  async function pages(person: Person, filters: string, limit: number): Promise<AuditLog[][]> {
    const all: AuditLog[][] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined; ) {
      const after: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const page: AuditPage = await person.get<AuditPage>(
        `/v1/audit-logs?limit=${limit}${after}&to=2026-01-03T00:00:00Z${filters}`,
      );
      all.push(page.items);
      cursor = page.next_cursor;
    }
    return all;
  }
  const isSeeded = ({ actor_name }: AuditLog) => actor_name === "Eve";

  it("comes in pages that leave out no event and repeat none, though many have the same time", async () => {
    const all = await pages(owner, "", 90);
    expect(all.map((page) => page.length)).toEqual([90, 90, 90, 90, 90]);
    const ids = all.flat().map(({ id }) => id);
    expect(new Set(ids).size).toBe(450);
    const { rows } = await ask("select id from audit_logs where actor_name = 'Eve' order by created_at desc, id desc");
    expect(ids.map((id) => fromWireId("log", id))).toEqual(rows.map(({ id }) => id));
    expect((await pages(owner, "", 200)).map((page) => page.length)).toEqual([200, 200, 50]);
  });

  it("shows members what is theirs to see, by the role that the database has", async () => {
    expect((await pages(member, "", 200)).flat()).toHaveLength(360);
    for (const event of (await pages(member, "", 200)).flat()) expect(event.scope).toBe("team");
    const path = `/v1/teams/${owner.teamId}/members/${member.userId}`;
    await owner.call("PATCH", path, { role: "admin" });
    expect((await pages(member, "", 200)).flat()).toHaveLength(450);
    await owner.call("PATCH", path, { role: "member" });
    expect((await pages(member, "", 200)).flat()).toHaveLength(360);
    const stranger = await Person.signUp(stack);
    expect((await pages(stranger, "", 200)).flat().filter(isSeeded)).toEqual([]);
  });

  it.each([
    ["&action=create,destroy", ({ action }: AuditLog) => action !== "pause"],
    ["&action=create&action=%20pause%20,create", ({ action }: AuditLog) => action !== "destroy"],
    ["&resource_type=sandbox&action=pause", ({ action }: AuditLog) => action === "pause"],
    ["&actor=system", ({ actor_type }: AuditLog) => actor_type === "system"],
    ["&actor=OWNER&action=pause,destroy", ({ actor_id, action }: AuditLog) => !!actor_id && action !== "create"],
    ["&actor=OWNER,system", () => true],
    ["&resource_id=box-3", ({ resource_id }: AuditLog) => resource_id === "box-3"],
    [
      "&resource_id=box-3&actor=system",
      ({ resource_id, actor_type }: AuditLog) => resource_id === "box-3" && actor_type === "system",
    ],
  ])("lets through what fits %s, page by page", async (filters, fits) => {
    const [all, some] = [await pages(owner, "", 200), await pages(owner, filters.replace("OWNER", owner.userId), 7)];
    expect(some.flat()).toEqual(all.flat().filter(fits));
    expect(some.flat().length).toBeGreaterThan(7);
  });

  it("lets through a range of time, from its beginning and before its end", async () => {
    const count = async (range: string) =>
      (await eventsOf(owner, `?limit=200&action=create&${range}`)).filter(isSeeded).length;
    expect(await count("from=2026-01-02T03:04:05.678Z")).toBe(150);
    expect(await count("to=2026-01-02T03:04:05.678Z")).toBe(0);
    expect(await count("from=2026-01-02T04:04:05.679%2B01:00")).toBe(0);
    expect(await count("to=2026-01-02T03:04:05.679Z")).toBe(150);
    expect(await count("from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59-23:59")).toBe(150);
    expect(await count("to=0000-01-01T00:00:00Z")).toBe(0);
  });

  it.each([
    ["resource_type=sandbox,boat", "querystring/resource_type/0 must be one or more of sandbox"],
    ["resource_type=", "querystring/resource_type/0"],
    ["action=create&action=launch", "querystring/action/1 must be one or more of create"],
    ["actor=Ada", 'querystring/actor/0 must be ids of users or API keys, or "system"'],
    [
      `actor=system&actor=${Array.from({ length: 10 }, (_, n) => `usr-${String(n).padStart(25, "0")}`).join()}`,
      "querystring/actor names 11 actors; name 10 at most",
    ],
    ["limit=201", "querystring/limit must be <= 200"],
    ["limit=0", "querystring/limit must be >= 1"],
    ["limit=many", "querystring/limit must be integer"],
    ["from=yesterday", "querystring/from"],
    ["from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "querystring/from must be before querystring/to"],
    ["cursor=abc", "querystring/cursor must be the next_cursor of a page"],
    [`cursor=${"_".repeat(32)}`, "querystring/cursor is not the next_cursor of a page"],
    ["until=2026-01-01T00:00:00Z", "querystring/until is not a known field"],
  ])("refuses %s and says what is wrong", async (bad, message) => {
    const error = await errorOf(await owner.call("GET", `/v1/audit-logs?${bad}`));
    expect(error).toMatchObject({ status: 400, code: "invalid_request", message: expect.stringContaining(message) });
  });

  it("comes as lines of JSON too, of all that fits and that the member may see", async () => {
    const lines = async (person: Person, filters = "") => {
      const answer = await person.call("GET", `/v1/audit-logs/export?to=2026-01-03T00:00:00Z${filters}`);
      expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/x-ndjson"]);
      const text = await answer.text();
      return text === ""
        ? []
        : text
            .trimEnd()
            .split("\n")
            .map((line) => JSON.parse(line) as AuditLog);
    };
    const all = (await pages(owner, "", 200)).flat();
    expect(await lines(owner)).toEqual(all);
    expect(await lines(owner, "&action=pause&actor=system")).toEqual(
      all.filter(({ action, actor_type }) => action === "pause" && actor_type === "system"),
    );
    expect(await lines(member)).toEqual(all.filter(({ scope }) => scope === "team"));
    expect(await lines(owner, "&resource_id=nothing")).toEqual([]);
    // The body of a HEAD would be all events, read for nobody.
    expect((await owner.call("HEAD", "/v1/audit-logs/export")).status).toBe(405);
    const refused = await owner.call("GET", "/v1/audit-logs/export?limit=5");
    expect(await errorOf(refused)).toMatchObject({ status: 400, message: "querystring/limit is not a known field" });
  });

  it("breaks off an export once its session has ended", async () => {
    const person = await (await Person.signUp(stack)).createTeam();
    const many = SEED.replace("generate_series(1, 450)", "generate_series(1, 40000)");
    await ask(many, [fromWireId("team", person.teamId), person.userId]);
    const answer = await person.call("GET", "/v1/audit-logs/export");
    expect(answer.status).toBe(200);
    await expectStatus(await person.call("POST", "/v1/auth/logout-everywhere"), 204);
    await expect(answer.text()).rejects.toThrow();
  });

  it("is for people: an API key may not read it", async () => {
    const answer = await fetch(`${stack.url}/v1/audit-logs`, { headers: { "x-api-key": stack.apiKey } });
    expect(await errorOf(answer)).toMatchObject({ status: 403, code: "forbidden" });
  });

  it.each([
    "update audit_logs set action = 'pause'",
    "update audit_logs set actor_name = 'Mallory' where actor_name = 'Eve'",
    "delete from audit_logs",
    "truncate audit_logs",
    "set warren.audit_kept_days = 0; delete from audit_logs where created_at > now() - interval '1 hour'",
    "set warren.audit_kept_days = ''; delete from audit_logs",
  ])("cannot be changed by %s, not even as the owner of its table", async (statement) => {
    const count = async () => (await ask("select count(*) from audit_logs")).rows;
    const before = await count();
    await expect(ask(statement)).rejects.toThrow("audit_logs takes new rows only");
    expect(await count()).toEqual(before);
  });

  it("has rows of old days that leave by its retention", async () => {
    const old = "'2020-01-01'";
    const insert = `insert into audit_logs (id, team_id, actor_type, resource_type, action, created_at)`;
    await ask(`${insert} values (gen_random_uuid(), gen_random_uuid(), 'system', 'sandbox', 'stop', ${old})`);
    const leave = "delete from audit_logs where created_at < now() - interval '2000 days'";
    await expect(ask(leave)).rejects.toThrow("audit_logs takes new rows only");
    await expect(ask(`set warren.audit_kept_days = 9999; ${leave}`)).rejects.toThrow("audit_logs takes new rows only");
    await ask(`set warren.audit_kept_days = 2000; ${leave}`);
    expect((await ask(`select from audit_logs where created_at = ${old}`)).rowCount).toBe(0);
  });
});

describe("the retention of the audit log", () => {
  const database = testDatabase();

  it("removes what is older, a few thousand at a time, and nothing else", async () => {
    const insert = `insert into audit_logs (id, team_id, actor_type, resource_type, action, created_at)
      select gen_random_uuid(), gen_random_uuid(), 'system', 'sandbox', 'stop', now() - $2 * interval '1 day'
      from generate_series(1, $1::integer)`;
    const url = database().config.databaseUrl;
    for (const [count, days] of [
      [6000, 40],
      [300, 29],
    ]) {
      await query(url, insert, [count, days]);
    }
    const stack = await startAccountStack(database(), { config: { auditRetentionDays: 30 } });
    try {
      const left = async () =>
        (await query(url, "select count(*) from audit_logs where resource_id is null and action = 'stop'")).rows[0]
          .count;
      await expect.poll(left).toBe("300");
    } finally {
      await stack.close();
    }
  });

  it("is a year unless the settings say otherwise", () => {
    const days = (text?: string) => parseConfig({ WARREN_AUDIT_RETENTION_DAYS: text }).auditRetentionDays;
    expect([days(), days("30"), days("forever")]).toEqual([365, 30, undefined]);
    for (const bad of ["0", "-1", "1.5", "ever", "100000"])
      expect(() => days(bad)).toThrow("WARREN_AUDIT_RETENTION_DAYS");
  });
});

describe("a cursor", () => {
  const SAMPLES = { numRuns: 500, seed: 20_261_128 };

  it("gives back the position that it was made of, to the microsecond", () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), fc.uuid(), (micros, id) => {
        expect(fromCursor(toCursor({ micros, id }))).toEqual({ micros, id });
      }),
      SAMPLES,
    );
    expect(timeOf({ micros: 1_767_323_045_678_901, id: randomUUID() })).toBe("2026-01-02T03:04:05.678901Z");
  });

  it("that is none is refused, whatever it is", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), fc.stringMatching(/^[A-Za-z0-9_-]{30,34}$/)), (text) => {
        try {
          expect(toCursor(fromCursor(text))).toBe(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "invalid_request" });
        }
      }),
      SAMPLES,
    );
  });
});
