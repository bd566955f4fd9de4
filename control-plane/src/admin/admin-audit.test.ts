import type { AuditLog, AuditPage } from "@warren/contracts/rest/audit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { told } from "../testing/audit-events.ts";
import { operate } from "../testing/operate.ts";
import { ADMIN, expectStatus, newEmail, Person, send, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

const PATH = "/v1/admin/audit-logs";

describe("the audit log of the platform", () => {
  const database = testDatabase();
  let stack: TestStack;
  let admin: Person;
  beforeAll(async () => {
    ({ stack, admin } = await startAdminStack(database()));
  });
  afterAll(() => stack?.close());

  const eventsOf = async (query = "") => (await admin.get<AuditPage>(`${PATH}?limit=200${query}`)).items;
  const exported = async (query = "") => {
    const answer = await admin.call("GET", `${PATH}/export${query}`);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/x-ndjson"]);
    expect(answer.headers.get("content-disposition")).toBe('attachment; filename="platform-audit-logs.jsonl"');
    const lines = (await answer.text()).split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as AuditLog);
  };

  it("tells of who came and who was refused, whose limits were set, and of hosts that teams share", async () => {
    const ada = await Person.signUp(stack, { name: "Ada" });
    const [stranger, team] = [newEmail(), ada.teamId];
    for (const email of [stranger, ada.email]) {
      const body = { email, password: "not the password" };
      expect((await send(stack.url, "POST", "/v1/auth/login", { body })).status).toBe(401);
    }
    await expectStatus(await admin.call("PUT", `/v1/admin/teams/${team}/quota`, { sandboxes: 1 }), 200);
    await expectStatus(await admin.call("PUT", `/v1/admin/teams/${team}/byoc`, { is_byoc: true }), 204);
    const shutOut = { deactivated: true };
    await expectStatus(await admin.call("PATCH", `/v1/admin/users/${ada.userId}`, shutOut), 200);
    const [address, by] = [expect.any(String), "platform-admin"];
    expect(told(await eventsOf("&resource_type=host"))).toEqual([
      ["host create", "success", "system", { provider: "local", address: stack.host.address }],
      ["host issue_token", "info", "system"],
      ["host register", "success", "system", { address: stack.host.address }],
    ]);
    expect(told(await eventsOf("&resource_type=user,quota,team"))).toEqual([
      ["user sign_up", "success", "operator", { email: ADMIN.email, team: expect.stringMatching(/^team-/) }],
      ["user grant", "warning", "operator", { email: ADMIN.email, right: "all" }],
      ["user sign_up", "success", "Ada", { email: ada.email, team }],
      ["user log_in_failed", "warning", "system", { email: stranger, address }],
      ["user log_in_failed", "warning", "system", { email: ada.email, address, team }],
      ["quota update", "info", by, { sandboxes: 1, team, team_name: "Ada's Team" }],
      ["team set_byoc", "info", by, { is_byoc: true, team, team_name: "Ada's Team" }],
      ["user deactivate", "warning", by, { email: ada.email }],
    ]);
    const mine = await admin.get<AuditPage>("/v1/audit-logs?resource_type=quota,host");
    expect(mine.items).toEqual([]);
  });

  it("comes in pages, by filters, and as lines of JSON", async () => {
    const all = await eventsOf();
    const read: AuditLog[] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined; ) {
      const after: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const page: AuditPage = await admin.get<AuditPage>(`${PATH}?limit=4${after}`);
      read.push(...page.items);
      cursor = page.next_cursor;
    }
    expect(read).toEqual(all);
    expect(await exported()).toEqual(all);
    expect((await admin.call("HEAD", `${PATH}/export`)).status).toBe(405);
    const failed = all.filter(({ action }) => action === "log_in_failed");
    expect(failed).toHaveLength(2);
    expect(await eventsOf("&resource_type=user&action=log_in_failed")).toEqual(failed);
    expect(await exported("?resource_type=user&action=log_in_failed")).toEqual(failed);
    const byAdmin = all.filter(({ actor_id }) => actor_id === admin.userId);
    expect(await eventsOf(`&actor=${admin.userId}`)).toEqual(byAdmin);
  });

  it.each([
    ["?limit=201", "querystring/limit must be <= 200"],
    ["?action=launch", "querystring/action/0 must be one or more of create"],
    ["?cursor=abc", "querystring/cursor must be the next_cursor of a page"],
    ["/export?limit=5", "querystring/limit is not a known field"],
    ["/export?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "querystring/from must be before querystring/to"],
  ])("refuses %s and says what is wrong", async (query, message) => {
    const refused = await errorOf(await admin.call("GET", `${PATH}${query}`));
    expect(refused).toMatchObject({ status: 400, code: "invalid_request", message: expect.stringContaining(message) });
  });

  it("is for those who administer all of the platform, with a session", async () => {
    const grace = await Person.signUp(stack, { name: "Grace" });
    for (const permission of ["users", "teams", "hosts", "sandboxes"]) {
      await operate(stack, "POST", "/grant", { email: grace.email, permission });
    }
    const { key } = await admin.createApiKey({ name: "robot" });
    for (const path of [PATH, `${PATH}/export`]) {
      const refused = { status: 403, code: "forbidden" };
      expect(await errorOf(await grace.call("GET", path))).toMatchObject({
        ...refused,
        message: "only administrators of the platform may",
      });
      const asRobot = await send(stack.url, "GET", path, { headers: { "x-api-key": key } });
      expect(await errorOf(asRobot)).toMatchObject(refused);
      expect(await errorOf(await send(stack.url, "GET", path))).toMatchObject({ status: 401, code: "unauthorized" });
    }
    await operate(stack, "POST", "/grant", { email: grace.email });
    await expectStatus(await grace.call("GET", PATH), 200);
  });
});
