import { randomUUID } from "node:crypto";
import { DEFAULT_SPEC } from "@warren/contracts/rest/sandbox-spec";
import {
  ListSandboxesQuery,
  SANDBOX_STATUSES,
  type Sandbox,
  type SandboxFilters,
  type SandboxPage,
  type SandboxStatus,
} from "@warren/contracts/rest/sandboxes";
import { newSandboxId } from "@warren/server/sandbox-id";
import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import type { Db } from "../database/tables.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";
import { fromCursor, toCursor } from "./sandbox-cursor.ts";
import { SandboxLists } from "./sandbox-lists.ts";

const OVER: SandboxStatus[] = ["stopped", "error"];

describe("GET /v1/sandboxes", () => {
  const database = testDatabase();
  let stack: TestStack;
  const ids: string[] = [];
  beforeAll(async () => {
    stack = await TestStack.start(database());
    const wanted = [
      { name: "Web-1", metadata: { team: "red" } },
      { name: "web-2", template: "node", metadata: { team: "red", job: "5%" } },
      { name: "db_1", metadata: { team: "blue" } },
      {},
      { name: "gone", metadata: { team: "red" } },
    ];
    for (const request of wanted) ids.push((await stack.createSandbox(request)).id);
    await stack.call("POST", `/v1/sandboxes/${ids[2]}/pause`);
    await stack.call("DELETE", `/v1/sandboxes/${ids[4]}`);
  });
  afterAll(() => stack?.close());

  const get = async <T>(query: string) => (await (await stack.call("GET", `/v1/sandboxes?${query}`)).json()) as T;
  /** Places of the sandboxes that a list shows, in the order in which they were made. */
  const found = async (query: string) => (await get<Sandbox[]>(query)).map(({ id }) => ids.indexOf(id));

  it.each([
    ["", [3, 2, 1, 0]],
    ["status=paused", [2]],
    ["status=paused,running&status=pausing", [3, 2, 1, 0]],
    ["status=stopped", [4]],
    ["status=stopped,paused", [4, 2]],
    ["status=stopped,paused&ended=true", [4]],
    ["ended=true", [4]],
    ["ended=false", [3, 2, 1, 0]],
    ["template=node", [1]],
    ["template=absent", []],
    ["name=web-2", [1]],
    ["metadata=team%3Dred", [1, 0]],
    ["metadata=team%3Dred&status=stopped,running", [4, 1, 0]],
    ["metadata=job%3D5%25&template=node&status=running&q=WEB", [1]],
    ["q=web", [1, 0]],
    ["q=_", [2]],
    ["q=%25", []],
    ["q=", [3, 2, 1, 0]],
  ])("shows those for which all of %j holds", async (query, expected) => {
    expect(await found(query)).toEqual(expected);
    const { items, next_cursor } = await get<SandboxPage>(`${query}&limit=200`);
    expect(items.map(({ id }) => ids.indexOf(id))).toEqual(expected);
    expect(next_cursor).toBeUndefined();
  });

  it("finds by a part of an id, in capitals too", async () => {
    expect(await found(`q=${ids[3]!.slice(4, 14).toUpperCase()}`)).toEqual([3]);
  });

  it("gives pages that are the list, and each the same sandboxes as the array", async () => {
    const whole = await get<Sandbox[]>("");
    const first = await get<SandboxPage>("limit=3");
    const second = await get<SandboxPage>(`cursor=${first.next_cursor}`);
    expect([...first.items, ...second.items]).toEqual(whole);
    expect(second).not.toHaveProperty("next_cursor");
  });

  it.each([
    ["status=zombie", "querystring/status/0 must be one or more of pending, starting, running", "zombie"],
    ["status=running,zombie", "querystring/status/0", "zombie"],
    ["status=running&status=", "querystring/status/1", '""'],
    ["template=a/b", "querystring/template must be", "a/b"],
    ["name=a%20b", "querystring/name must be", "a b"],
    ["metadata=team", "querystring/metadata/0 must be KEY=VALUE", "team"],
    ["ended=maybe", "querystring/ended must be boolean", "maybe"],
    ["limit=0", "querystring/limit must be >= 1", ""],
    ["limit=201", "querystring/limit must be <= 200", ""],
    ["limit=ten", "querystring/limit must be integer", "ten"],
    ["limit=", "querystring/limit", ""],
    ["cursor=abc", "querystring/cursor must be the next_cursor of a page", "abc"],
    ["q=%00", "querystring/q must be text without NUL characters", ""],
    [`q=${"a".repeat(101)}`, "querystring/q", ""],
    ["state=running", "querystring/state is not a known field", ""],
  ])("refuses %s and names what is wrong", async (query, message, value) => {
    const error = await errorOf(await stack.call("GET", `/v1/sandboxes?${query}`));
    expect(error).toMatchObject({ status: 400, code: "invalid_request", message: expect.stringContaining(message) });
    expect(error.message).toContain(value);
  });
});

describe("queries of any kind", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await TestStack.start(database());
    await stack.createSandbox({ name: "box", metadata: { a: "b" } });
  });
  afterAll(() => stack?.close());

  it("are answered with a list or told what is wrong with them", async () => {
    const name = fc.constantFrom("q", "cursor", "limit", "status", "template", "name", "metadata", "ended", "range");
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 30 }),
      fc.constantFrom(
        "box",
        "a=b",
        "running,paused",
        "running,",
        ",",
        "0".repeat(11),
        "-1",
        "1e2",
        "true",
        "%",
        "_",
        "\\\\",
      ),
    );
    const encoded = text.map((value) => encodeURIComponent(value.toWellFormed()));
    const raw = fc.constantFrom("%ED%A0%80", "%00", "%FF", "%", "%zz", "[]", "[a]=b");
    const entry = fc.tuple(name, fc.oneof({ weight: 4, arbitrary: encoded }, raw)).map((both) => both.join("="));
    const path = fc.constantFrom("/v1/sandboxes", "/v1/sandboxes", "/v1/sandboxes/stats");
    await fc.assert(
      fc.asyncProperty(path, fc.array(entry, { maxLength: 4 }), async (path, entries) => {
        const response = await stack.call("GET", `${path}?${entries.join("&")}`);
        if (response.status === 200) await response.json();
        else expect(await errorOf(response)).toMatchObject({ status: 400, code: "invalid_request" });
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});

describe("a cursor", () => {
  const { pattern: text } = ListSandboxesQuery.properties.cursor as unknown as { pattern: string };
  const pattern = new RegExp(text);

  it("is a text of its own for each position, and each that its pattern allows is one", () => {
    const position = fc.record({
      micros: fc.integer({ min: 0, max: 7_000_000_000_000_000 }),
      id: fc.stringMatching(/^sb[a-z2-7]{20}$/),
    });
    fc.assert(
      fc.property(position, (at) => {
        expect(toCursor(at)).toMatch(pattern);
        expect(fromCursor(toCursor(at))).toEqual(at);
      }),
    );
    fc.assert(
      fc.property(fc.stringMatching(pattern), (cursor) => {
        expect(toCursor(fromCursor(cursor))).toBe(cursor);
      }),
    );
  });
});

/** What happens between two pages. */
const EVENT = fc.oneof(
  fc.record({ kind: fc.constant("create" as const), status: fc.constantFrom(...SANDBOX_STATUSES) }),
  fc.record({ kind: fc.constant("change" as const), which: fc.nat(30), status: fc.constantFrom(...SANDBOX_STATUSES) }),
);

describe("pages of a list", () => {
  const fixture = testDatabase();
  let database: Database;
  let db: Db;
  beforeAll(async () => {
    database = await openDatabase(fixture().config, createLogger("silent"));
    db = database.db;
  });
  afterAll(() => database?.close());

  /** A team with sandboxes that were created so many microseconds after each other. */
  async function newTeam(gaps: number[], statuses: SandboxStatus[]) {
    const id = randomUUID();
    const slug = id.replace(/^(.{6})(..)-(....).*$/, "$1-$2$3");
    await db.insertInto("teams").values({ id, name: "team", slug, deleted_at: null }).execute();
    const rows: { id: string; status: SandboxStatus }[] = [];
    let micros = 0;
    const create = async (status: SandboxStatus, after: number) => {
      const row = { id: newSandboxId(), status };
      micros += after;
      const created = sql<Date>`'2026-01-01 00:00+00'::timestamptz + ${micros} * interval '1 microsecond'`;
      const spec = JSON.stringify({ ...DEFAULT_SPEC, version: 1 });
      await db
        .insertInto("sandboxes")
        .values({ ...row, team_id: id, spec, created_at: created as never })
        .execute();
      rows.push(row);
    };
    for (const [index, gap] of gaps.entries()) await create(statuses[index % statuses.length]!, gap);
    return { id, rows, create };
  }

  it("have each sandbox once that matches all the while, in order, whatever is created and ends meanwhile", async () => {
    const lists = new SandboxLists(db);
    const gaps = fc.array(fc.constantFrom(0, 1, 300, 1000), { maxLength: 30 });
    const statuses = fc.array(fc.constantFrom(...SANDBOX_STATUSES), { minLength: 1, maxLength: 7 });
    const filters = fc.constantFrom<SandboxFilters[]>({}, { ended: true }, { status: ["running,paused", "error"] });
    const events = fc.array(fc.array(EVENT, { maxLength: 3 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(gaps, statuses, filters, events, fc.integer({ min: 1, max: 9 }), async (...given) => {
        const [gaps, statuses, filters, events, limit] = given;
        const team = await newTeam(gaps, statuses);
        const named = filters.status?.flatMap((text) => text.split(","));
        const matches = (status: SandboxStatus) =>
          named ? named.includes(status) : OVER.includes(status) === (filters.ended ?? false);
        const atFirst = new Map(team.rows.map(({ id, status }) => [id, matches(status)]));
        const always = new Map(atFirst);
        const seen: { id: string; created: number }[] = [];
        for (let cursor: string | undefined, turn = 0; turn === 0 || cursor !== undefined; turn++) {
          const place = { limit, ...(cursor !== undefined && { cursor }) };
          const page = await lists.page(team.id, filters, place);
          expect(page.rows.length).toBeLessThanOrEqual(limit);
          if (page.next !== undefined) expect(page.rows).toHaveLength(limit);
          for (const { id, created_at, status } of page.rows) {
            expect(matches(status)).toBe(true);
            seen.push({ id, created: created_at.getTime() });
          }
          cursor = page.next;
          for (const event of events[turn] ?? []) {
            if (event.kind === "create") await team.create(event.status, 1);
            else {
              const row = team.rows[event.which];
              if (!row) continue;
              row.status = event.status;
              await db.updateTable("sandboxes").set({ status: event.status }).where("id", "=", row.id).execute();
              if (!matches(event.status)) always.set(row.id, false);
            }
          }
        }
        const ids = seen.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(seen.map(({ created }) => created)).toEqual(seen.map(({ created }) => created).sort((a, b) => b - a));
        for (const [id, stays] of always) if (stays) expect(ids).toContain(id);
        // What was created meanwhile comes before the first page.
        for (const id of ids) expect(atFirst.has(id)).toBe(true);
      }),
      { seed: 5, numRuns: 60 },
    );
  });
});
