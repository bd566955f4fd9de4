import { LIMITS } from "@warren/contracts/limits";
import type { NewHost } from "@warren/contracts/rest/hosts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { expectJson, expectStatus, Person, send, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { CSR } from "./testing/certificate-request.ts";

/**
 * Who may do what with a host of a team: the status for its owner, an admin and a member of it, somebody of another team, a
 * program of the team with its key, somebody without credentials, and an administrator of the platform. What counts is who is in
 * the team, whichever team a session is in.
 */
const ACTIONS: [action: string, method: string, path: string, body: object | undefined, statuses: number[]][] = [
  ["see it", "GET", "", undefined, [200, 200, 200, 404, 403, 401, 200]],
  ["see its tags", "GET", "/tags", undefined, [200, 200, 200, 404, 403, 401, 200]],
  ["see what goes with it", "GET", "/delete-preview", undefined, [200, 200, 200, 404, 403, 401, 200]],
  ["give it a tag", "POST", "/tags", { tag: "gpu" }, [204, 204, 204, 404, 403, 401, 204]],
  ["take a tag that it has not", "DELETE", "/tags/none", undefined, [404, 404, 404, 404, 403, 401, 404]],
  ["make a token for it", "POST", "/token", undefined, [201, 201, 403, 404, 403, 401, 201]],
  ["drain it, once it has registered", "POST", "/drain", undefined, [409, 409, 403, 404, 403, 401, 409]],
  ["take it out of service", "POST", "/offline", undefined, [409, 409, 403, 404, 403, 401, 409]],
  ["bring it back", "POST", "/online", undefined, [409, 409, 403, 404, 403, 401, 409]],
  ["delete it", "DELETE", "", undefined, [204, 204, 403, 404, 403, 401, 204]],
];

describe("hosts of a team", () => {
  const database = testDatabase();
  let stack: TestStack;
  /** Asks in the name of each of those above, in their order. */
  let actors: ((method: string, path: string, body: object | undefined) => Promise<Response>)[];
  let admin: Person;
  let teamId: string;

  beforeAll(async () => {
    ({ stack, admin } = await startAdminStack(database()));
    const owner = await Person.signUp(stack);
    teamId = owner.teamId;
    const [second, member, stranger] = [
      await owner.addMember(await Person.signUp(stack), "admin"),
      await owner.addMember(await Person.signUp(stack)),
      await Person.signUp(stack),
    ];
    const { key } = await owner.createApiKey();
    const as = (person: Person) => (method: string, path: string, body: object | undefined) =>
      person.call(method, path, body);
    const withHeaders = (headers: Record<string, string>) => (method: string, path: string, body: object | undefined) =>
      send(stack.url, method, path, { headers, ...(body && { body }) });
    actors = [
      ...[owner, second, member, stranger].map(as),
      withHeaders({ "x-api-key": key }),
      withHeaders({}),
      as(admin),
    ];
    await expectStatus(await admin.call("PUT", `/v1/admin/teams/${teamId}/byoc`, { is_byoc: true }), 204);
  });
  afterAll(() => stack?.close());

  const create = async () =>
    (await expectJson<NewHost>(await admin.call("POST", "/v1/hosts", { type: "byoc", team_id: teamId }), 201)).host.id;

  it.each(ACTIONS)("are for those who may %s", async (_action, method, path, body, statuses) => {
    const answered: number[] = [];
    for (const ask of actors) {
      const answer = await ask(method, `/v1/hosts/${await create()}${path}`, body);
      answered.push(answer.status);
      await answer.body?.cancel();
    }
    expect(answered).toEqual(statuses);
  });

  it("are made by those who manage the team's hosts", async () => {
    const answered: number[] = [];
    for (const ask of actors) {
      const answer = await ask("POST", "/v1/hosts", { type: "byoc", team_id: teamId });
      answered.push(answer.status);
      await answer.body?.cancel();
    }
    expect(answered).toEqual([201, 201, 403, 403, 403, 401, 201]);
  });

  it("are no hosts that teams share, unless the platform makes them", async () => {
    const answered: number[] = [];
    for (const ask of actors) {
      const answer = await ask("POST", "/v1/hosts", { type: "regular" });
      answered.push(answer.status);
      await answer.body?.cancel();
    }
    expect(answered).toEqual([403, 403, 403, 403, 403, 401, 201]);
  });

  it("are where a team says at public addresses alone, and anywhere when the platform says so", async () => {
    const [owner, , , , , , platform] = actors;
    const csr_pem = CSR;
    const registerAt = async (ask: (typeof actors)[number], address: string) => {
      const made = await expectJson<NewHost>(await ask("POST", "/v1/hosts", { type: "byoc", team_id: teamId }), 201);
      const body = { token: made.registration_token, address, csr_pem };
      return send(stack.url, "POST", "/v1/hosts/register", { body });
    };
    const inside = ["unix:/run/other.sock", "https://127.0.0.1:7443", "https://169.254.169.254:80", "https://db:5432"];
    for (const address of inside) {
      const refusal = await registerAt(owner!, address);
      expect(await errorOf(refusal)).toMatchObject({ status: 400, code: "invalid_request" });
      await expectStatus(await registerAt(platform!, address), 201);
    }
    await expectStatus(await registerAt(owner!, "https://8.8.8.8:7443"), 201);
  });

  it("are so many at most that no team fills the platform", async () => {
    const owner = await Person.signUp(stack);
    await expectStatus(await admin.call("PUT", `/v1/admin/teams/${owner.teamId}/byoc`, { is_byoc: true }), 204);
    const make = () => owner.call("POST", "/v1/hosts", { type: "byoc", team_id: owner.teamId });
    const answers = await Promise.all(Array.from({ length: LIMITS.teamHosts + 5 }, make));
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(5);
    for (const answer of refused) expect((await errorOf(answer)).code).toBe("quota_exceeded");
  });

  it("are listed to those of the team", async () => {
    const id = await create();
    const listed: boolean[] = [];
    for (const ask of actors) {
      const answer = await ask("GET", "/v1/hosts", undefined);
      const hosts = answer.status === 200 ? ((await answer.json()) as { id: string }[]) : [];
      listed.push(hosts.some((host) => host.id === id));
    }
    expect(listed).toEqual([true, true, true, false, false, false, true]);
  });
});
