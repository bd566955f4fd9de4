import type { TeamRole } from "@warren/contracts/rest/accounts";
import { ARCHIVE_END } from "@warren/server/archive";
import type { Person } from "./person.ts";

/** The id of no sandbox. */
export const NO_SANDBOX = `sb${"a".repeat(20)}`;

/** Those who act: members of the team by role, a program with its key, and an administrator of the platform. */
export type Actor = TeamRole | "api_key" | "platform_admin";
export const ACTORS: Actor[] = ["owner", "admin", "member", "api_key", "platform_admin"];

/** What an action is about. */
export interface Scene {
  teamId: string;
  /** Two members of the team besides the actors. */
  target: Person;
  newcomer: Person;
  keyId: string;
  /** Webhook of the team, or none. */
  webhookId: string;
  /** One that does not exist, unless the action needs one. */
  sandboxId: string;
}

/** `WS` is GET with a request for a WebSocket. */
export type Request = [method: string, path: string, body?: unknown];

export interface Action {
  request(scene: Scene): Request;
  /** What must be there: a running sandbox, one with a file or a command in it, or a template of one; or a webhook. */
  needs?: "sandbox" | "file" | "process" | "template" | "webhook";
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
export const TEMPLATE = "trained";
export const FILE = "note.txt";
export const TAG = "job";
/** A webhook to which nothing is sent by itself, and which nobody hears. */
export const WEBHOOK = { name: "hook", url: "http://127.0.0.1:9/", events: ["*"], enabled: false };
/** The ids of no webhook and of no delivery. */
export const NO_WEBHOOK = `hook-${"0".repeat(25)}`;
const NO_DELIVERY = `dlv-${"0".repeat(25)}`;

/** An upload of a small file. */
export function upload(): FormData {
  const form = new FormData();
  form.set("path", FILE);
  form.set("file", new Blob(["hello"]));
  return form;
}

/** What users do for themselves, in whatever team. */
export const PERSONAL = [
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
export const PUBLIC =
  /^(GET \/(health|openapi|docs)|POST \/v1\/(auth\/(signup|login|setup)|me\/password\/reset(\/confirm)?)$|GET \/v1\/auth\/o)/;
/** What is done with hosts, and what hosts do: see host-permissions.test.ts and hosts.test.ts. */
export const OF_HOSTS = /^[A-Z]+ \/v1\/hosts(\/|$)/;

export const ACTIONS: Record<string, Action> = {
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
  "make a webhook": {
    request: () => ["POST", "/v1/webhooks", WEBHOOK],
    own: { ...admins(201), platform_admin: 201 },
    other: 201,
  },
  "list webhooks": {
    request: () => ["GET", "/v1/webhooks"],
    own: { ...admins(200), platform_admin: 200 },
    other: 200,
  },
  "see a webhook": {
    needs: "webhook",
    request: ({ webhookId }) => ["GET", `/v1/webhooks/${webhookId}`],
    own: { ...admins(200), platform_admin: 404 },
    other: 404,
  },
  "change a webhook": {
    needs: "webhook",
    request: ({ webhookId }) => ["PATCH", `/v1/webhooks/${webhookId}`, { name: "other" }],
    own: { ...admins(200), platform_admin: 404 },
    other: 404,
  },
  "delete a webhook": {
    needs: "webhook",
    request: ({ webhookId }) => ["DELETE", `/v1/webhooks/${webhookId}`],
    own: { ...admins(204), platform_admin: 404 },
    other: 404,
  },
  "give a webhook another secret": {
    needs: "webhook",
    request: ({ webhookId }) => ["POST", `/v1/webhooks/${webhookId}/secret`],
    own: { ...admins(201), platform_admin: 404 },
    other: 404,
  },
  "try a webhook out": {
    needs: "webhook",
    request: ({ webhookId }) => ["POST", `/v1/webhooks/${webhookId}/test`],
    own: { ...admins(200), platform_admin: 404 },
    other: 404,
  },
  "see what was sent to a webhook": {
    needs: "webhook",
    request: ({ webhookId }) => ["GET", `/v1/webhooks/${webhookId}/deliveries`],
    own: { ...admins(200), platform_admin: 404 },
    other: 404,
  },
  "send to a webhook again": {
    needs: "webhook",
    request: ({ webhookId }) => ["POST", `/v1/webhooks/${webhookId}/deliveries/${NO_DELIVERY}/redeliver`],
    own: { ...admins(404), platform_admin: 404 },
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
  "make a webhook of the platform": {
    request: () => ["POST", "/v1/admin/webhooks", WEBHOOK],
    own: platformOnly(201),
    other: 403,
  },
  "list the webhooks of the platform": {
    request: () => ["GET", "/v1/admin/webhooks"],
    own: platformOnly(200),
    other: 403,
  },
  ...Object.fromEntries(
    // The platform has none of that id, as a team's is none of its.
    (
      [
        ["see a webhook of the platform", "GET", "", undefined],
        ["change a webhook of the platform", "PATCH", "", { name: "other" }],
        ["delete a webhook of the platform", "DELETE", "", undefined],
        ["give a webhook of the platform another secret", "POST", "/secret", undefined],
        ["try a webhook of the platform out", "POST", "/test", undefined],
        ["see what was sent to a webhook of the platform", "GET", "/deliveries", undefined],
        ["send to a webhook of the platform again", "POST", `/deliveries/${NO_DELIVERY}/redeliver`, undefined],
      ] as const
    ).map(([name, method, below, body]): [string, Action] => [
      name,
      {
        request: ({ webhookId }) => [method, `/v1/admin/webhooks/${webhookId}${below}`, body],
        own: platformOnly(404),
        other: 403,
      },
    ]),
  ),
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
