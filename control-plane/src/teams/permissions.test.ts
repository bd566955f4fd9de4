import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import {
  ACTIONS,
  ACTORS,
  type Action,
  type Actor,
  NO_SANDBOX,
  NO_WEBHOOK,
  OF_HOSTS,
  PERSONAL,
  PUBLIC,
  type Request,
  type Scene,
  TAG,
  TEMPLATE,
  upload,
  WEBHOOK,
} from "../testing/permission-table.ts";
import { expectJson, expectStatus, Person, send, startAdminStack, upgradeStatus } from "../testing/person.ts";
import { SeededTeams } from "../testing/seeded-teams.ts";
import type { TestStack } from "../testing/test-stack.ts";

/** A team with all actors, each with a credential for it. */
class Cast {
  readonly scene: Scene;
  readonly owner: Person;
  readonly #url: string;
  readonly #people: Partial<Record<Actor, Person>>;
  readonly #key: string;

  private constructor(url: string, scene: Scene, people: Partial<Record<Actor, Person>>, key: string) {
    this.#url = url;
    this.scene = scene;
    this.#people = people;
    this.owner = people.owner!;
    this.#key = key;
  }

  static async assemble({ stack, teams, people }: Stage, needs?: Action["needs"]): Promise<Cast> {
    const {
      id: teamId,
      members,
      key,
      keyId,
    } = await teams.create({
      owner: [people.owner, "owner"],
      admin: [people.admin, "admin"],
      member: [people.member, "member"],
      target: [people.target, "member"],
    });
    const { owner, admin, member, target } = members;
    const sandboxId = needs && needs !== "webhook" ? await createSandbox(owner) : NO_SANDBOX;
    const webhookId = needs === "webhook" ? await createWebhook(owner) : NO_WEBHOOK;
    if (needs === "file") {
      await expectStatus(await owner.call("POST", `/v1/sandboxes/${sandboxId}/files/write`, upload()), 204);
    }
    if (needs === "process") {
      const command = { cmd: "sleep", args: ["1000"], background: true, tag: TAG };
      await expectStatus(await owner.call("POST", `/v1/sandboxes/${sandboxId}/exec`, command), 202);
    }
    if (needs === "template") {
      const request = { sandbox_id: sandboxId, name: TEMPLATE };
      await expectStatus(await owner.call("POST", "/v1/snapshots", request), 201);
    }
    const scene = { teamId, target, newcomer: people.newcomer, keyId, sandboxId, webhookId };
    return new Cast(stack.url, scene, { owner, admin, member, platform_admin: people.platformAdmin }, key);
  }

  /** Status of the answer to an actor's request. */
  act(actor: Actor, request: Request): Promise<number> {
    const person = this.#people[actor];
    return statusOf(this.#url, person ? bearer(person) : { "x-api-key": this.#key }, request);
  }

  /** Removes what is left of the team; what the test did may have changed who owns it. */
  async dismiss(): Promise<void> {
    const target = this.scene.target;
    for (const person of [this.owner, target]) await person.call("DELETE", `/v1/teams/${this.scene.teamId}`);
  }
}

function bearer(person: Person): Record<string, string> {
  return { authorization: `Bearer ${person.token}` };
}

async function statusOf(url: string, headers: Record<string, string>, [method, path, body]: Request): Promise<number> {
  if (method === "WS") return upgradeStatus(url, path, headers);
  const response = await send(url, method, path, { body, headers });
  await response.body?.cancel();
  return response.status;
}

async function createSandbox(owner: Person): Promise<string> {
  const created = await owner.call("POST", "/v1/sandboxes", {});
  return (await expectJson<{ id: string }>(created, 201)).id;
}

async function createWebhook(owner: Person): Promise<string> {
  const created = await owner.call("POST", "/v1/webhooks", WEBHOOK);
  return (await expectJson<{ id: string }>(created, 201)).id;
}

/** Where casts act. */
interface Stage {
  stack: TestStack;
  teams: SeededTeams;
  people: People;
}

interface People {
  owner: Person;
  admin: Person;
  member: Person;
  target: Person;
  newcomer: Person;
  platformAdmin: Person;
}

describe("permissions", () => {
  const database = testDatabase();
  let stack: TestStack;
  let teams: SeededTeams;
  let people: People;
  const assemble = (needs?: Action["needs"]) => Cast.assemble({ stack, teams, people }, needs);
  beforeAll(async () => {
    const { stack: started, admin: platformAdmin } = await startAdminStack(database(), {
      config: { webhookTargets: ["127.0.0.1"] },
    });
    stack = started;
    teams = await SeededTeams.open(database().config.databaseUrl, stack.url);
    const [owner, admin, member, target, newcomer] = await Promise.all(
      Array.from({ length: 5 }, () => Person.signUp(stack)),
    );
    people = { owner: owner!, admin: admin!, member: member!, target: target!, newcomer: newcomer!, platformAdmin };
  });
  afterAll(async () => {
    await teams?.close();
    await stack?.close();
  });

  it("the table has every route of teams and of the platform", () => {
    const scene = {
      teamId: "x",
      target: people.target,
      newcomer: people.newcomer,
      keyId: "x",
      sandboxId: "x",
      webhookId: "x",
    };
    const covered = Object.values(ACTIONS).map((action) => {
      const [method, path] = action.request(scene);
      return `${method === "WS" ? "GET" : method} ${path.split("?")[0]}`;
    });
    const missing = stack.controlPlane.routes.filter((route) => {
      const pattern = new RegExp(`^${route.replace(/:[a-z_]+/g, "[^/]+")}$`);
      const isElsewhere = route.startsWith("HEAD ") || PUBLIC.test(route) || OF_HOSTS.test(route);
      return !isElsewhere && !covered.some((request) => pattern.test(request));
    });
    expect(missing.sort()).toEqual([...PERSONAL].sort());
  });

  describe.each(Object.entries(ACTIONS))("%s", (_name, action) => {
    it("is allowed to those in the team who may", async () => {
      const statuses: Partial<Record<Actor, number>> = {};
      let cast = await assemble(action.needs);
      for (const actor of ACTORS) {
        const request = action.request(cast.scene);
        statuses[actor] = await cast.act(actor, request);
        if (request[0] === "GET" || actor === ACTORS.at(-1)) continue;
        // What one actor has changed is not there for the next.
        await cast.dismiss();
        cast = await assemble(action.needs);
      }
      await cast.dismiss();
      expect(statuses).toEqual(action.own);
    });

    it("is not allowed from another team, nor in a deleted one", async () => {
      const cast = await assemble(action.needs);
      const request = action.request(cast.scene);
      const elsewhere = await people.owner.createTeam("Another");
      expect(await statusOf(stack.url, bearer(elsewhere), request)).toBe(action.other);
      await expectStatus(await elsewhere.call("DELETE", `/v1/teams/${elsewhere.teamId}`), 204);
      await expectStatus(await cast.owner.call("DELETE", `/v1/teams/${cast.scene.teamId}`), 204);
      const statuses: Partial<Record<Actor, number>> = {};
      for (const actor of ["owner", "admin", "member", "api_key"] as const) {
        statuses[actor] = await cast.act(actor, request);
      }
      expect(statuses).toEqual({ owner: 403, admin: 403, member: 403, api_key: 401 });
    });
  });

  it("a removed member is out of every route of the team at once, sandboxes included", async () => {
    const cast = await assemble("sandbox");
    const { target, teamId, sandboxId } = cast.scene;
    const requests = Object.values(ACTIONS).map((action) => action.request(cast.scene));
    expect((await target.call("GET", `/v1/sandboxes/${sandboxId}`)).status).toBe(200);
    await expectStatus(await cast.owner.call("DELETE", `/v1/teams/${teamId}/members/${target.userId}`), 204);
    for (const request of requests) {
      expect([request, await statusOf(stack.url, bearer(target), request)]).toEqual([request, 403]);
    }
    expect((await target.call("GET", `/v1/sandboxes/${NO_SANDBOX}`)).status).toBe(403);
    expect((await target.call("GET", "/v1/me")).status).toBe(200);
    await cast.dismiss();
  });
});
