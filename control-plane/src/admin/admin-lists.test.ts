import type { AdminHostPage, AdminSandboxPage, AdminTeamPage, AdminUserPage } from "@warren/contracts/rest/admin-lists";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { expectJson, expectStatus, newEmail, Person, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

const LISTS = ["users", "teams", "hosts", "sandboxes"];

describe("lists of the whole platform", () => {
  const database = testDatabase();
  let stack: TestStack;
  let admin: Person;
  beforeAll(async () => {
    ({ stack, admin } = await startAdminStack(database()));
  });
  afterAll(() => stack?.close());

  interface Page {
    items: { id?: string; user_id?: string; created_at: string }[];
    next_cursor?: string;
  }

  /** All of a list, page by page. */
  async function pages(path: string, limit: number): Promise<Page["items"]> {
    const items: Page["items"] = [];
    for (let cursor: string | undefined; ; ) {
      const page: Page = await admin.get(`${path}limit=${limit}${cursor === undefined ? "" : `&cursor=${cursor}`}`);
      expect(page.items.length).toBeLessThanOrEqual(limit);
      items.push(...page.items);
      cursor = page.next_cursor;
      if (cursor === undefined) return items;
    }
  }

  it("of users says who they are, and finds them", async () => {
    const email = newEmail();
    const person = await Person.signUp(stack, { email, name: "Grace Hopper" });
    const expected = {
      user_id: person.userId,
      email,
      email_verified: false,
      name: "Grace Hopper",
      is_admin: false,
      permissions: [],
      has_password: true,
      teams: 1,
      created_at: expect.any(String),
      last_used_at: expect.any(String),
    };
    for (const search of ["grace h", email.toUpperCase(), person.userId]) {
      const path = `/v1/admin/users?search=${encodeURIComponent(search)}`;
      expect((await admin.get<AdminUserPage>(path)).items).toEqual([expected]);
    }
    for (const search of ["%", "_", "\\", "' or 1=1 --", "nobody at all"]) {
      const path = `/v1/admin/users?search=${encodeURIComponent(search)}`;
      expect((await admin.get<AdminUserPage>(path)).items).toEqual([]);
    }
  });

  it("of sandboxes says why one has ended, without what its guest has printed", async () => {
    const person = await Person.signUp(stack);
    const { id } = await expectJson<{ id: string }>(await person.call("POST", "/v1/sandboxes", {}), 201);
    const reason = { code: "guest_panicked", message: "its kernel panicked", console: "of the guest", atUnixMs: 1n };
    Object.assign(stack.host.guest(id), { status: "stopped", reason });
    stack.host.announce(id);
    await expect
      .poll(async () => (await person.get<{ reason?: object }>(`/v1/sandboxes/${id}`)).reason)
      .toMatchObject({ console: "of the guest" });
    const listed = await admin.get<AdminSandboxPage>(`/v1/admin/sandboxes?search=${id}&status=stopped`);
    const { code, message } = reason;
    expect(listed.items.map((item) => item.reason)).toEqual([{ code, message, at: expect.any(String) }]);
  });

  it("of teams, hosts and sandboxes says what is where, and nothing of what is in a sandbox", async () => {
    const person = await Person.signUp(stack);
    const request = { name: "box-0", metadata: { secret: "of the team" }, env: { TOKEN: "secret" } };
    const created = await person.call("POST", "/v1/sandboxes", request);
    const { id } = await expectJson<{ id: string }>(created, 201);
    const paused = await expectJson<{ id: string }>(await person.call("POST", "/v1/sandboxes", {}), 201);
    await expectStatus(await person.call("POST", `/v1/sandboxes/${paused.id}/pause`), 200);
    const gone = await expectJson<{ id: string }>(await person.call("POST", "/v1/sandboxes", {}), 201);
    await expectStatus(await person.call("DELETE", `/v1/sandboxes/${gone.id}`), 204);

    const teams = await admin.get<AdminTeamPage>(`/v1/admin/teams?search=${person.teamId}`);
    expect(teams.items).toMatchObject([{ id: person.teamId, owner_email: person.email, members: 1, sandboxes: 2 }]);
    const slug = teams.items[0]!.slug;
    expect((await admin.get<AdminTeamPage>(`/v1/admin/teams?search=${slug}`)).items).toEqual(teams.items);

    const hosts = await admin.get<AdminHostPage>("/v1/admin/hosts");
    expect(hosts.items).toMatchObject([
      {
        type: "regular",
        status: "online",
        address: stack.host.address,
        sandboxes: 2,
        vcpus_in_use: 1,
        memory_mb_in_use: 512,
      },
    ]);
    const [host] = hosts.items;

    const sandboxes = await admin.get<AdminSandboxPage>(`/v1/admin/sandboxes?search=${slug}`);
    expect(sandboxes.items.map((item) => item.id)).toEqual([paused.id, id]);
    expect(sandboxes.items[1]).toEqual({
      id,
      name: "box-0",
      team_id: person.teamId,
      team_name: "Ada's Team",
      team_slug: slug,
      host_id: host!.id,
      status: "running",
      template: "minimal",
      vcpus: 1,
      memory_mb: 512,
      disk_bytes: 0,
      created_at: expect.any(String),
      last_active_at: expect.any(String),
    });
    const found = async (query: string) =>
      (await admin.get<AdminSandboxPage>(`/v1/admin/sandboxes?${query}`)).items.map((item) => item.id);
    expect(await found(`team_id=${person.teamId}&status=paused`)).toEqual([paused.id]);
    expect(await found(`team_id=${person.teamId}&status=stopped`)).toEqual([gone.id]);
    expect(await found(`host_id=${host!.id}&search=BOX-0`)).toEqual([id]);
    expect(await found(`team_id=${admin.teamId}`)).toEqual([]);
    expect((await admin.call("GET", `/v1/sandboxes/${id}`)).status).toBe(404);
    await expectStatus(await person.call("DELETE", `/v1/teams/${person.teamId}`), 204);
    const [deleted] = (await admin.get<AdminTeamPage>(`/v1/admin/teams?search=${person.teamId}`)).items;
    expect(deleted).toMatchObject({ deleted_at: expect.any(String), sandboxes: 0 });
  });

  it("comes in pages that miss nothing and repeat nothing, also of rows of the same moment", async () => {
    const client = new pg.Client({ connectionString: database().config.databaseUrl });
    await client.connect();
    await client.query(`insert into users (id, email, name, created_at)
      select gen_random_uuid(), 'same-' || n || '@example.org', 'Same', '2026-01-01 00:00:00.123456Z'
      from generate_series(1, 23) as n`);
    await client.query(`insert into teams (id, name, slug, created_at)
      select gen_random_uuid(), 'Same', 'same-' || n, '2026-01-01 00:00:00.123456Z' from generate_series(1, 23) as n`);
    await client.end();
    for (const list of ["users", "teams"]) {
      const items = await pages(`/v1/admin/${list}?search=same&`, 5);
      expect(new Set(items.map(({ id, user_id }) => id ?? user_id)).size).toBe(23);
      expect(items).toHaveLength(23);
      const everything = await pages(`/v1/admin/${list}?`, 7);
      expect(everything).toEqual((await admin.get<Page>(`/v1/admin/${list}?limit=200`)).items);
      const times = everything.map(({ created_at }) => created_at);
      expect(times).toEqual([...times].sort().reverse());
    }
  });

  it.each([
    ["limit=0", "limit"],
    ["limit=201", "limit"],
    ["limit=x", "limit"],
    ["cursor=x", "cursor"],
    [`cursor=2zzzzzzzzzz${"0".repeat(32)}`, "cursor"],
    ["search=", "search"],
    ["search=%00", "search"],
    [`search=${"x".repeat(101)}`, "search"],
    ["order=name", "order"],
  ])("refuses ?%s and names the field", async (query, field) => {
    for (const list of LISTS) {
      const refused = await errorOf(await admin.call("GET", `/v1/admin/${list}?${query}`));
      expect([list, refused]).toEqual([list, { status: 400, code: "invalid_request", message: expect.any(String) }]);
      expect(refused.message).toContain(field);
    }
  });

  it("refuses what is no state and no id", async () => {
    for (const query of ["status=gone", "team_id=x", "host_id=team-x"]) {
      const refused = await errorOf(await admin.call("GET", `/v1/admin/sandboxes?${query}`));
      expect(refused.message).toContain(query.split("=")[0]);
    }
  });

  it("takes any text to search for, and any cursor of the right form", async () => {
    const cursor = fc
      .tuple(fc.integer({ min: 0, max: 2 * 36 ** 10 - 1 }), fc.stringMatching(/^[0-9a-f]{32}$/))
      .map(([micros, id]) => micros.toString(36).padStart(11, "0") + id);
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", minLength: 1, maxLength: 50 }), cursor, async (search, place) => {
        const query = new URLSearchParams({ search, cursor: place });
        for (const list of LISTS.slice(0, 3)) {
          expect([200, 400]).toContain((await admin.call("GET", `/v1/admin/${list}?${query}`)).status);
        }
      }),
      { seed: 10, numRuns: 40 },
    );
  });
});
