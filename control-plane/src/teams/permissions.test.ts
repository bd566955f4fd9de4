import type { TeamRole } from "@warren/contracts/rest/accounts";
import { ARCHIVE_END } from "@warren/server/archive";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { expectJson, expectStatus, Person, send, startAdminStack, upgradeStatus } from "../testing/person.ts";
import { SeededTeams } from "../testing/seeded-teams.ts";
import type { TestStack } from "../testing/test-stack.ts";

const NO_SANDBOX = `sb${"a".repeat(20)}`;

/** Those who act: members of the team by role, a program with its key, and an administrator of the platform. */
type Actor = TeamRole | "api_key" | "platform_admin";
const ACTORS: Actor[] = ["owner", "admin", "member", "api_key", "platform_admin"];

/** What an action is about. */
interface Scene {
  teamId: string;
  /** Two members of the team besides the actors. */
  target: Person;
  newcomer: Person;
  keyId: string;
  /** One that does not exist, unless the action needs one. */
  sandboxId: string;
}

/** `WS` is GET with a request for a WebSocket. */
type Request = [method: string, path: string, body?: unknown];

interface Action {
  request(scene: Scene): Request;
  /** What must be there: a running sandbox, one with a file or a command in it, or a template of one. */
  needs?: "sandbox" | "file" | "process" | "template";
  /** Status for each actor in the actor's own team. A platform admin is no member of the team, but of one of their own. */
  own: Record<Actor, number>;
  /** Status for an owner whose session is in another team. */
  other: number;
}

/** Statuses of actions for users of the team: what every member may, and what fewer may. */
const everyMember = (status: number) => ({
  owner: status,
  admin: status,
  member: status,
  api_key: 403,
  platform_admin: 403,
});
const admins = (status: number) => ({ ...everyMember(status), member: 403 });
const ownerOnly = (status: number) => ({ ...admins(status), admin: 403 });
/** What is addressed without a team: a stranger does not see what is the team's. */
const teamScoped = (status: number) => ({ ...everyMember(status), api_key: status, platform_admin: 404 });
const platformOnly = (status: number) => ({
  owner: 403,
  admin: 403,
  member: 403,
  api_key: 403,
  platform_admin: status,
});

const TAR = { type: "application/x-tar" };
const TEMPLATE = "trained";
const FILE = "note.txt";
const TAG = "job";

/** An upload of a small file. */
function upload(): FormData {
  const form = new FormData();
  form.set("path", FILE);
  form.set("file", new Blob(["hello"]));
  return form;
}

/** What users do for themselves, in whatever team. */
const PERSONAL = [
  "POST /v1/auth/switch-team",
  "POST /v1/auth/logout",
  "POST /v1/auth/logout-everywhere",
  "GET /v1/me",
  "PATCH /v1/me",
  "DELETE /v1/me",
  "GET /v1/me/deletion",
  "POST /v1/me/password",
  "GET /v1/me/providers",
  "POST /v1/me/providers/:provider/connect",
  "DELETE /v1/me/providers/:provider",
  "GET /v1/me/sessions",
  "DELETE /v1/me/sessions/:id",
  "POST /v1/me/email/verification",
  "GET /v1/me/email/confirm",
  "POST /v1/me/email/confirm",
  "GET /v1/users/search",
  "GET /v1/teams",
  "POST /v1/teams",
];
/** What anybody may call, see wrong-credentials.test.ts. */
const PUBLIC =
  /^(GET \/(health|openapi|docs)|POST \/v1\/(auth\/(signup|login|setup)|me\/password\/reset(\/confirm)?)$|GET \/v1\/auth\/o)/;
/** What is done with hosts, and what hosts do: see host-permissions.test.ts and hosts.test.ts. */
const OF_HOSTS = /^[A-Z]+ \/v1\/hosts(\/|$)/;

const ACTIONS: Record<string, Action> = {
  "view the team": { request: ({ teamId }) => ["GET", `/v1/teams/${teamId}`], own: everyMember(200), other: 403 },
  "list members": {
    request: ({ teamId }) => ["GET", `/v1/teams/${teamId}/members`],
    own: everyMember(200),
    other: 403,
  },
  "view the quota": {
    request: ({ teamId }) => ["GET", `/v1/teams/${teamId}/quota`],
    own: everyMember(200),
    other: 403,
  },
  "rename the team": {
    request: ({ teamId }) => ["PATCH", `/v1/teams/${teamId}`, { name: "New name" }],
    own: admins(204),
    other: 403,
  },
  "restrict API keys to admins": {
    request: ({ teamId }) => ["PATCH", `/v1/teams/${teamId}`, { api_keys_by_admins: true }],
    own: admins(204),
    other: 403,
  },
  "add a member": {
    request: ({ teamId, newcomer }) => ["POST", `/v1/teams/${teamId}/members`, { email: newcomer.email }],
    own: admins(201),
    other: 403,
  },
  "make a member an admin": {
    request: ({ teamId, target }) => ["PATCH", `/v1/teams/${teamId}/members/${target.userId}`, { role: "admin" }],
    own: admins(204),
    other: 403,
  },
  "remove a member": {
    request: ({ teamId, target }) => ["DELETE", `/v1/teams/${teamId}/members/${target.userId}`],
    own: admins(204),
    other: 403,
  },
  "leave the team": {
    request: ({ teamId }) => ["POST", `/v1/teams/${teamId}/leave`],
    own: { ...everyMember(204), owner: 403 },
    other: 403,
  },
  "transfer ownership": {
    request: ({ teamId, target }) => ["POST", `/v1/teams/${teamId}/transfer`, { user_id: target.userId }],
    own: ownerOnly(204),
    other: 403,
  },
  "delete the team": { request: ({ teamId }) => ["DELETE", `/v1/teams/${teamId}`], own: ownerOnly(204), other: 403 },
  "create an API key": {
    request: () => ["POST", "/v1/api-keys", { name: "key" }],
    own: { ...everyMember(201), platform_admin: 201 },
    other: 201,
  },
  "list API keys": {
    request: () => ["GET", "/v1/api-keys"],
    own: { ...everyMember(200), platform_admin: 200 },
    other: 200,
  },
  "revoke an API key": {
    request: ({ keyId }) => ["DELETE", `/v1/api-keys/${keyId}`],
    own: { ...everyMember(204), platform_admin: 404 },
    other: 404,
  },
  "read the audit log": {
    request: () => ["GET", "/v1/audit-logs"],
    own: { ...everyMember(200), platform_admin: 200 },
    other: 200,
  },
  "export the audit log": {
    request: () => ["GET", "/v1/audit-logs/export"],
    own: { ...everyMember(200), platform_admin: 200 },
    other: 200,
  },
  "create a sandbox": {
    request: () => ["POST", "/v1/sandboxes", {}],
    own: { ...teamScoped(201), platform_admin: 201 },
    other: 201,
  },
  "list sandboxes": {
    request: () => ["GET", "/v1/sandboxes"],
    own: { ...teamScoped(200), platform_admin: 200 },
    other: 200,
  },
  "see what sandboxes take": {
    request: () => ["GET", "/v1/sandboxes/stats"],
    own: { ...teamScoped(200), platform_admin: 200 },
    other: 200,
  },
  "see what the team has used": {
    request: () => ["GET", "/v1/usage"],
    own: { ...teamScoped(200), platform_admin: 200 },
    other: 200,
  },
  "see what came of what": {
    request: () => ["GET", "/v1/family"],
    own: { ...teamScoped(200), platform_admin: 200 },
    other: 200,
  },
  "see what each sandbox used": {
    request: () => ["GET", "/v1/sandboxes/metrics"],
    own: { ...teamScoped(200), platform_admin: 200 },
    other: 200,
  },
  "see what a sandbox used": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["GET", `/v1/sandboxes/${sandboxId}/metrics`],
    own: teamScoped(200),
    other: 404,
  },
  "get a sandbox": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["GET", `/v1/sandboxes/${sandboxId}`],
    own: teamScoped(200),
    other: 404,
  },
  "run a command": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/exec`, { cmd: "true" }],
    own: teamScoped(200),
    other: 404,
  },
  "list the commands of a sandbox": {
    needs: "process",
    request: ({ sandboxId }) => ["GET", `/v1/sandboxes/${sandboxId}/processes`],
    own: teamScoped(200),
    other: 404,
  },
  "look up a command": {
    needs: "process",
    request: ({ sandboxId }) => ["GET", `/v1/sandboxes/${sandboxId}/processes/${TAG}`],
    own: teamScoped(200),
    other: 404,
  },
  "send a command a signal": {
    needs: "process",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/processes/${TAG}/signal`, { signal: "SIGCONT" }],
    own: teamScoped(204),
    other: 404,
  },
  "end a command": {
    needs: "process",
    request: ({ sandboxId }) => ["DELETE", `/v1/sandboxes/${sandboxId}/processes/${TAG}`],
    own: teamScoped(204),
    other: 404,
  },
  "pause a sandbox": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/pause`],
    own: teamScoped(200),
    other: 404,
  },
  "continue a sandbox": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/resume`],
    own: teamScoped(200),
    other: 404,
  },
  "copy a sandbox": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/fork`],
    own: teamScoped(201),
    other: 404,
  },
  "keep a sandbox awake": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/ping`],
    own: teamScoped(204),
    other: 404,
  },
  "stream a command": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["WS", `/v1/sandboxes/${sandboxId}/exec/stream`],
    // The sandbox is looked up once the connection is open.
    own: { ...teamScoped(101), platform_admin: 101 },
    other: 101,
  },
  "write a file": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/files/write`, upload()],
    own: teamScoped(204),
    other: 404,
  },
  "write a large file": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/files/stream/write`, upload()],
    own: teamScoped(204),
    other: 404,
  },
  "read a file": {
    needs: "file",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/files/read`, { path: FILE }],
    own: teamScoped(200),
    other: 404,
  },
  "read a large file": {
    needs: "file",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/files/stream/read`, { path: FILE }],
    own: teamScoped(200),
    other: 404,
  },
  "download a file by an address": {
    needs: "file",
    request: ({ sandboxId }) => ["GET", `/v1/sandboxes/${sandboxId}/files/download?path=${FILE}`],
    own: teamScoped(200),
    other: 404,
  },
  "download a directory": {
    needs: "file",
    request: ({ sandboxId }) => ["GET", `/v1/sandboxes/${sandboxId}/files/archive?path=/`],
    own: teamScoped(200),
    other: 404,
  },
  "upload a directory": {
    needs: "sandbox",
    request: ({ sandboxId }) => [
      "PUT",
      `/v1/sandboxes/${sandboxId}/files/archive?path=here`,
      new Blob([ARCHIVE_END], TAR),
    ],
    own: teamScoped(204),
    other: 404,
  },
  "change a sandbox's settings": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["PATCH", `/v1/sandboxes/${sandboxId}`, { name: "renamed" }],
    own: teamScoped(200),
    other: 404,
  },
  "return a sandbox to its last pause": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/rollback`],
    own: teamScoped(409),
    other: 404,
  },
  "list files": {
    needs: "file",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/files/list`, { path: "." }],
    own: teamScoped(200),
    other: 404,
  },
  "describe a file": {
    needs: "file",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/files/stat`, { path: FILE }],
    own: teamScoped(200),
    other: 404,
  },
  "make a directory": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/files/mkdir`, { path: "new" }],
    own: teamScoped(200),
    other: 404,
  },
  "move a file": {
    needs: "file",
    request: ({ sandboxId }) => [
      "POST",
      `/v1/sandboxes/${sandboxId}/files/move`,
      { path: FILE, destination: "moved.txt" },
    ],
    own: teamScoped(200),
    other: 404,
  },
  "remove a file": {
    needs: "file",
    request: ({ sandboxId }) => ["POST", `/v1/sandboxes/${sandboxId}/files/remove`, { path: FILE }],
    own: teamScoped(204),
    other: 404,
  },
  "delete a template": {
    needs: "template",
    request: () => ["DELETE", `/v1/snapshots/${TEMPLATE}`],
    own: teamScoped(204),
    other: 404,
  },
  "make a template of a sandbox": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["POST", "/v1/snapshots", { sandbox_id: sandboxId, name: TEMPLATE }],
    own: teamScoped(201),
    other: 404,
  },
  "follow events": {
    request: () => ["GET", "/v1/events"],
    own: { ...teamScoped(200), platform_admin: 200 },
    other: 200,
  },
  "list templates": {
    request: () => ["GET", "/v1/snapshots"],
    own: { ...teamScoped(200), platform_admin: 200 },
    other: 200,
  },
  "destroy a sandbox": {
    needs: "sandbox",
    request: ({ sandboxId }) => ["DELETE", `/v1/sandboxes/${sandboxId}`],
    own: teamScoped(204),
    other: 404,
  },
  "list all teams": { request: () => ["GET", "/v1/admin/teams"], own: platformOnly(200), other: 403 },
  "read the audit log of the platform": {
    request: () => ["GET", "/v1/admin/audit-logs"],
    own: platformOnly(200),
    other: 403,
  },
  "export the audit log of the platform": {
    request: () => ["GET", "/v1/admin/audit-logs/export"],
    own: platformOnly(200),
    other: 403,
  },
  "list all hosts": { request: () => ["GET", "/v1/admin/hosts"], own: platformOnly(200), other: 403 },
  "list the sandboxes of all teams": {
    request: () => ["GET", "/v1/admin/sandboxes"],
    own: platformOnly(200),
    other: 403,
  },
  "shut a user out": {
    request: ({ newcomer }) => ["PATCH", `/v1/admin/users/${newcomer.userId}`, { deactivated: false }],
    own: platformOnly(200),
    other: 403,
  },
  "list all users": { request: () => ["GET", "/v1/admin/users"], own: platformOnly(200), other: 403 },
  "let a team bring its own hosts": {
    request: ({ teamId }) => ["PUT", `/v1/admin/teams/${teamId}/byoc`, { is_byoc: false }],
    own: platformOnly(204),
    other: 403,
  },
  "view any team's quota": {
    request: ({ teamId }) => ["GET", `/v1/admin/teams/${teamId}/quota`],
    own: platformOnly(200),
    other: 403,
  },
  "view what any team may use in a month": {
    request: ({ teamId }) => ["GET", `/v1/admin/teams/${teamId}/usage-limits`],
    own: platformOnly(200),
    other: 403,
  },
  "set what a team may use in a month": {
    request: ({ teamId }) => ["PUT", `/v1/admin/teams/${teamId}/usage-limits`, { cpu_minutes: { warning: 50 } }],
    own: platformOnly(200),
    other: 403,
  },
  "set a team's quota": {
    request: ({ teamId }) => ["PUT", `/v1/admin/teams/${teamId}/quota`, { sandboxes: 50 }],
    own: platformOnly(200),
    other: 403,
  },
};

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
    const sandboxId = needs ? await createSandbox(owner) : NO_SANDBOX;
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
    const scene = { teamId, target, newcomer: people.newcomer, keyId, sandboxId };
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
    const { stack: started, admin: platformAdmin } = await startAdminStack(database());
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
    const scene = { teamId: "x", target: people.target, newcomer: people.newcomer, keyId: "x", sandboxId: "x" };
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
