import type { AuthResponse } from "@warren/contracts/rest/accounts";
import type { Member, Team, TeamDetails } from "@warren/contracts/rest/teams";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDatabase } from "../database/database.ts";
import { createDatabase, testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { expectJson, expectStatus, newEmail, Person, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { TeamStore } from "./team-store.ts";

const SILENT = createLogger("silent");

describe("teams", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startAccountStack(database());
  });
  afterAll(() => stack?.close());

  /** Sandboxes that the host has. */
  const onHost = () => [...stack.host.guests.keys()];

  describe("a team", () => {
    it("has a slug that stays when the name changes", async () => {
      const owner = await Person.signUp(stack);
      const created = await expectJson<Team>(await owner.call("POST", "/v1/teams", { name: "Research @ co" }), 201);
      expect(created).toMatchObject({ name: "Research @ co", role: "owner", is_byoc: false });
      expect(created.slug).toMatch(/^[0-9a-f]{6}-[0-9a-f]{6}$/);
      const there = await owner.inTeam(created.id);
      await expectStatus(await there.call("PATCH", `/v1/teams/${created.id}`, { name: "O'Neil's_team-1" }), 204);
      const { team } = await there.get<TeamDetails>(`/v1/teams/${created.id}`);
      expect(team).toEqual({ ...created, name: "O'Neil's_team-1" });
      expect((await owner.get<Team[]>("/v1/teams")).map(({ id }) => id)).toEqual([owner.teamId, created.id]);
    });

    it.each(["", "   ", "x".repeat(129), "a/b", "<b>", "a\nb", "é"])("cannot be named %j", async (name) => {
      const owner = await Person.signUp(stack);
      expect(await errorOf(await owner.call("POST", "/v1/teams", { name }))).toMatchObject({
        status: 400,
        code: "invalid_request",
      });
      expect((await owner.call("PATCH", `/v1/teams/${owner.teamId}`, { name })).status).toBe(400);
      expect(await owner.get<Team[]>("/v1/teams")).toHaveLength(1);
    });

    it("cannot be changed in what it has not, nor by an empty request", async () => {
      const owner = await Person.signUp(stack);
      for (const body of [{}, { slug: "aaaaaa-aaaaaa" }, { is_byoc: true }, { name: null }]) {
        expect((await owner.call("PATCH", `/v1/teams/${owner.teamId}`, body)).status).toBe(400);
      }
    });
  });

  describe("membership", () => {
    it("starts by e-mail address, as a member, once", async () => {
      const owner = await Person.signUp(stack, { name: "Owner" });
      const other = await Person.signUp(stack, { name: "Other" });
      const path = `/v1/teams/${owner.teamId}/members`;
      const added = await expectJson<Member>(
        await owner.call("POST", path, { email: ` ${other.email.toUpperCase()}` }),
        201,
      );
      expect(added).toMatchObject({ user_id: other.userId, email: other.email, name: "Other", role: "member" });
      expect(await owner.get<Member[]>(path)).toEqual([
        {
          user_id: owner.userId,
          email: owner.email,
          email_verified: false,
          name: "Owner",
          role: "owner",
          joined_at: expect.any(String),
        },
        added,
      ]);
      expect(await errorOf(await owner.call("POST", path, { email: other.email }))).toMatchObject({ status: 400 });
      expect(await errorOf(await owner.call("POST", path, { email: newEmail() }))).toMatchObject({ status: 404 });
      expect(await errorOf(await owner.call("POST", path, { email: "nobody" }))).toMatchObject({ status: 400 });
      const teams = await other.get<Team[]>("/v1/teams");
      expect(teams.map(({ id, role }) => [id, role])).toEqual([
        [other.teamId, "owner"],
        [owner.teamId, "member"],
      ]);
    });

    it("is added once by many who try at the same moment", async () => {
      const owner = await Person.signUp(stack);
      const other = await Person.signUp(stack);
      const path = `/v1/teams/${owner.teamId}/members`;
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => owner.call("POST", path, { email: other.email })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 400, 400, 400, 400]);
      expect(await owner.get<Member[]>(path)).toHaveLength(2);
    });

    it("leaves the owner alone", async () => {
      const owner = await Person.signUp(stack);
      const admin = await owner.addMember(await Person.signUp(stack), "admin");
      const path = `/v1/teams/${owner.teamId}/members/${owner.userId}`;
      for (const person of [admin, owner]) {
        expect((await person.call("PATCH", path, { role: "member" })).status).toBe(403);
        expect((await person.call("DELETE", path)).status).toBe(403);
      }
      expect(await errorOf(await owner.call("POST", `/v1/teams/${owner.teamId}/leave`))).toEqual({
        status: 403,
        code: "forbidden",
        message: "the owner cannot leave the team: transfer it to another member first, or delete it",
      });
      expect((await owner.call("PATCH", path, { role: "owner" })).status).toBe(400);
      const [first] = await owner.get<Member[]>(`/v1/teams/${owner.teamId}/members`);
      expect(first).toMatchObject({ user_id: owner.userId, role: "owner" });
    });

    it("lets admins demote and remove admins, themselves included", async () => {
      const owner = await Person.signUp(stack);
      const admin = await owner.addMember(await Person.signUp(stack), "admin");
      const second = await owner.addMember(await Person.signUp(stack), "admin");
      const path = (person: Person) => `/v1/teams/${owner.teamId}/members/${person.userId}`;
      await expectStatus(await admin.call("PATCH", path(second), { role: "member" }), 204);
      expect((await second.call("PATCH", `/v1/teams/${owner.teamId}`, { name: "Mine" })).status).toBe(403);
      await expectStatus(await admin.call("DELETE", path(second)), 204);
      await expectStatus(await admin.call("PATCH", path(admin), { role: "member" }), 204);
      expect((await admin.call("PATCH", path(admin), { role: "admin" })).status).toBe(403);
      expect((await owner.call("DELETE", path(second))).status).toBe(404);
      expect((await owner.call("PATCH", path(second), { role: "admin" })).status).toBe(404);
    });

    it("takes with it the keys that the member made, when it is told to", async () => {
      const owner = await Person.signUp(stack);
      const path = (person: Person) => `/v1/teams/${owner.teamId}/members/${person.userId}`;
      const usable = async (key: string) =>
        (await fetch(`${stack.url}/v1/sandboxes`, { headers: { "x-api-key": key } })).status === 200;
      const leaves = await owner.addMember(await Person.signUp(stack));
      const kept = await leaves.createApiKey();
      await expectStatus(await owner.call("DELETE", path(leaves)), 204);
      expect(await usable(kept.key)).toBe(true);
      const goes = await owner.addMember(await Person.signUp(stack));
      const revoked = await goes.createApiKey();
      expect(await usable(revoked.key)).toBe(true);
      await expectStatus(await owner.call("DELETE", `${path(goes)}?revoke_api_keys=true`), 204);
      expect([await usable(kept.key), await usable(revoked.key)]).toEqual([true, false]);
    });
  });

  describe("ownership", () => {
    it("goes to another member, and the owner before becomes an admin", async () => {
      const owner = await Person.signUp(stack);
      const heir = await owner.addMember(await Person.signUp(stack));
      const transfer = (person: Person, to: string) =>
        person.call("POST", `/v1/teams/${owner.teamId}/transfer`, { user_id: to });
      expect((await transfer(owner, (await Person.signUp(stack)).userId)).status).toBe(404);
      expect((await transfer(owner, owner.userId)).status).toBe(409);
      expect((await transfer(heir, heir.userId)).status).toBe(403);
      await expectStatus(await transfer(owner, heir.userId), 204);
      const members = await heir.get<Member[]>(`/v1/teams/${owner.teamId}/members`);
      expect(members.map(({ user_id, role }) => [user_id, role])).toEqual([
        [owner.userId, "admin"],
        [heir.userId, "owner"],
      ]);
      expect((await owner.call("DELETE", `/v1/teams/${owner.teamId}`)).status).toBe(403);
      await expectStatus(await owner.call("POST", `/v1/teams/${owner.teamId}/leave`), 204);
    });

    it("is with one member after transfers at the same moment", async () => {
      const owner = await Person.signUp(stack);
      const heirs = [
        await owner.addMember(await Person.signUp(stack)),
        await owner.addMember(await Person.signUp(stack)),
      ];
      const answers = await Promise.all(
        heirs.map((heir) => owner.call("POST", `/v1/teams/${owner.teamId}/transfer`, { user_id: heir.userId })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([204, 403]);
      const members = await heirs[0]!.get<Member[]>(`/v1/teams/${owner.teamId}/members`);
      expect(members.map(({ role }) => role).sort()).toEqual(["admin", "member", "owner"]);
    });
  });

  describe("the end of a team", () => {
    it("destroys its sandboxes and shuts its keys and sessions out", async () => {
      const owner = await (await Person.signUp(stack)).createTeam();
      const key = await owner.createApiKey();
      const headers = { "x-api-key": key.key };
      const ids: string[] = [];
      for (let i = 0; i < 3; i++) {
        ids.push((await expectJson<{ id: string }>(await owner.call("POST", "/v1/sandboxes", {}), 201)).id);
      }
      expect(onHost()).toEqual(expect.arrayContaining(ids));
      await expectStatus(await owner.call("DELETE", `/v1/teams/${owner.teamId}`), 204);
      expect(onHost().filter((id) => ids.includes(id))).toEqual([]);
      expect((await fetch(`${stack.url}/v1/sandboxes`, { headers })).status).toBe(401);
      expect(await errorOf(await owner.call("POST", "/v1/sandboxes", {}))).toMatchObject({
        status: 403,
        code: "no_team",
      });
      expect((await owner.get<Team[]>("/v1/teams")).map(({ id }) => id)).not.toContain(owner.teamId);
    });

    it("removes its templates, and paused sandboxes too", async () => {
      const owner = await (await Person.signUp(stack)).createTeam();
      const { id } = await expectJson<{ id: string }>(await owner.call("POST", "/v1/sandboxes", {}), 201);
      const template = { sandbox_id: id, name: "to-be-removed" };
      await expectStatus(await owner.call("POST", "/v1/snapshots", template), 201);
      await expectStatus(await owner.call("POST", `/v1/sandboxes/${id}/pause`), 200);
      expect(stack.host.templates.size).toBeGreaterThan(0);
      await expectStatus(await owner.call("DELETE", `/v1/teams/${owner.teamId}`), 204);
      expect(onHost()).not.toContain(id);
      expect(stack.host.templates.size).toBe(0);
    });

    it("leaves no sandbox behind that is created at the same moment", async () => {
      const before = onHost();
      const owner = await (await Person.signUp(stack)).createTeam();
      const creations = Array.from({ length: 5 }, () => owner.call("POST", "/v1/sandboxes", {}));
      const deletion = owner.call("DELETE", `/v1/teams/${owner.teamId}`);
      const answers = await Promise.all(creations);
      await expectStatus(await deletion, 204);
      for (const { status } of answers) expect([201, 401, 403, 409]).toContain(status);
      await expect.poll(onHost, { timeout: 30_000 }).toEqual(before);
    });
  });

  describe("the search for users", () => {
    const search = (person: Person, email: string) =>
      person.call("GET", `/v1/users/search?email=${encodeURIComponent(email)}`);
    const found = async (person: Person, email: string) =>
      (await expectJson<{ email: string }[]>(await search(person, email), 200)).map((user) => user.email);

    it("finds colleagues by the start of the address, and strangers only by all of it", async () => {
      const tag = newEmail().split("@")[0]!;
      const searcher = await Person.signUp(stack, { email: `searcher-${tag}@one.example` });
      const neighbour = await Person.signUp(stack, { email: `ann-${tag}@one.example` });
      const stranger = await Person.signUp(stack, { email: `ann-${tag}@two.example` });
      const colleague = await Person.signUp(stack, { email: `ann-${tag}@three.example` });
      expect(await found(searcher, `ann-${tag}@`)).toEqual([]);
      expect(await found(searcher, neighbour.email)).toEqual([neighbour.email]);
      expect(await found(searcher, `ann-${tag}@two.exampl`)).toEqual([]);
      expect(await found(searcher, ` Ann-${tag}@TWO.example`)).toEqual([stranger.email]);
      await searcher.addMember(colleague);
      expect(await found(searcher, `ann-${tag}@`)).toEqual([colleague.email]);
      expect(await found(searcher, `ann-${tag}@three`)).toEqual([colleague.email]);
    });

    it("wants three characters and an @, and takes signs of patterns as they are", async () => {
      const person = await Person.signUp(stack);
      for (const text of ["", "a@", "abc", "%%%", "a".repeat(300)]) {
        expect([text, (await search(person, text)).status]).toEqual([text, 400]);
      }
      expect(await found(person, "%@%")).toEqual([]);
      expect(await found(person, "_____@_")).toEqual([]);
      expect(await found(person, "\\\\@")).toEqual([]);
      expect(await found(person, `${person.email}\u0000`)).toEqual([]);
      expect((await person.call("GET", "/v1/users/search")).status).toBe(400);
    });

    it("shows at most ten, by address", async () => {
      const searcher = await Person.signUp(stack);
      const local = newEmail().split("@")[0]!;
      const others: string[] = [];
      for (let i = 0; i < 12; i++) {
        const other = await Person.signUp(stack, { email: `${local}@d${String(i).padStart(2, "0")}.example` });
        others.push(other.email);
        await searcher.addMember(other);
      }
      expect(await found(searcher, `${local}@d`)).toEqual(others.slice(0, 10));
    });
  });

  it("a deleted team's slug is never used again, and a taken one is not used twice", async () => {
    const other = await createDatabase();
    const opened = await openDatabase(other.config, SILENT);
    try {
      const slugs = ["aaaaaa-aaaaaa", "aaaaaa-aaaaaa", "aaaaaa-aaaaaa", "bbbbbb-bbbbbb"];
      const teams = new TeamStore(opened.db, () => slugs.shift()!);
      const first = await teams.insert("First");
      await teams.markDeleted(first, opened.db);
      const second = await teams.insert("Second");
      expect((await teams.findLive(second))?.slug).toBe("bbbbbb-bbbbbb");
    } finally {
      await opened.close();
      await other.remove();
    }
  });

  it("a session of somebody who is added again works again", async () => {
    const owner = await Person.signUp(stack);
    const member = await owner.addMember(await Person.signUp(stack));
    await expectStatus(await owner.call("DELETE", `/v1/teams/${owner.teamId}/members/${member.userId}`), 204);
    expect((await member.call("GET", "/v1/sandboxes")).status).toBe(403);
    await expectStatus(await owner.call("POST", `/v1/teams/${owner.teamId}/members`, { email: member.email }), 201);
    expect((await member.call("GET", "/v1/sandboxes")).status).toBe(200);
    const again = await member.call("POST", "/v1/auth/switch-team", { team_id: owner.teamId });
    expect(await expectJson<AuthResponse>(again, 200)).toMatchObject({ role: "member" });
  });
});
