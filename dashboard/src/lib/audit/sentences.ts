import type { Schemas } from "#lib/api/client.ts";
import { SCOPE_WORDS, type Scope } from "#lib/api-keys/scopes.ts";
import { SHELL, shellNumber } from "#lib/capsules/terminal/shell-tag.ts";
import { formatMebibytes } from "#lib/format/bytes.ts";
import { shortId } from "#lib/format/id.ts";
import { visible } from "#lib/format/visible.ts";
import { AMOUNTS } from "#lib/usage/amounts.ts";

export type AuditLog = Schemas["AuditLog"];

/** A piece of a sentence: plain words, a name, something that was typed (shown in mono), or a link. */
export type Piece = string | { name: string } | { code: string } | { href: string; text: string };

/** Values of an event that sentences speak of. */
type Metadata = Record<string, unknown>;
type Tell = (log: AuditLog, metadata: Metadata) => Piece[];

const name = (value: unknown, otherwise = "?"): Piece => ({ name: textOf(value) ?? otherwise });
const code = (value: unknown): Piece => ({ code: textOf(value) ?? "?" });
const capsule = (id: unknown): Piece =>
  typeof id === "string" ? { href: `/dashboard/capsules/${encodeURIComponent(id)}`, text: shortId(id) } : "a capsule";
const it = ({ resource_id }: AuditLog): Piece => capsule(resource_id);
const because = ({ message }: Metadata): Piece[] => (textOf(message) === undefined ? [] : [`: ${textOf(message)}`]);
const failed = ({ status }: AuditLog): boolean => status === "error";
const bySystem = ({ actor_type }: AuditLog): boolean => actor_type === "system";

const count = (value: number) => value.toLocaleString("en");
/** What a team may have at once, as sentences speak of it. */
const HOLDINGS = new Map<unknown, { noun: string; format: (value: number) => string }>([
  ["sandboxes", { noun: "capsules", format: count }],
  ["vcpus", { noun: "vCPUs", format: count }],
  ["memory_mb", { noun: "memory", format: formatMebibytes }],
  ["templates", { noun: "snapshots", format: count }],
  ["disk_mb", { noun: "disk", format: formatMebibytes }],
]);

/** What terminals of the pages run, as the audit log has it. */
const PAGE_SHELL = `sh -c '${SHELL}'`;

/**
 * What each event says after the name of who acts, by `resource.action`. Events by the system have sentences of their own where
 * nobody acts.
 */
export const SENTENCES: Record<string, Tell> = {
  "sandbox.create": (log, { template, name: called, error }) => [
    failed(log) ? "could not create " : "created ",
    it(log),
    ...(textOf(called) === undefined ? [] : [" named ", name(called)]),
    ...(textOf(template) === undefined ? [] : [" from ", name(template)]),
    ...(textOf(error) === undefined ? [] : [`: ${textOf(error)}`]),
  ],
  "sandbox.fork": (log, { source, error }) => [
    failed(log) ? "could not fork " : "forked ",
    capsule(source),
    ...(failed(log) ? [] : [" as ", it(log)]),
    ...(textOf(error) === undefined ? [] : [`: ${textOf(error)}`]),
  ],
  "sandbox.pause": (log, metadata) => [failed(log) ? "could not pause " : "paused ", it(log), ...because(metadata)],
  "sandbox.resume": (log) => [failed(log) ? "could not resume " : "resumed ", it(log)],
  "sandbox.rollback": (log) => [failed(log) ? "could not return " : "returned ", it(log), " to its last pause"],
  "sandbox.update": (log, { fields }) => ["changed ", list(fields) ?? "settings", " of ", it(log)],
  "sandbox.destroy": (log, metadata) => ["destroyed ", it(log), ...because(metadata)],
  "sandbox.stop": (log, metadata) => ["saw ", it(log), " end", ...because(metadata)],
  "sandbox.missing": (log) => ["lost sight of ", it(log), ": its host does not answer"],
  "sandbox.found": (log, metadata) => [
    "found ",
    it(log),
    " again",
    ...after(", ", metadata.status),
    ...because(metadata),
  ],
  "sandbox.exec": (log, { command, user, background }) => [
    ...(command === PAGE_SHELL ? ["opened a shell"] : [background === true ? "started " : "ran ", code(command)]),
    " in ",
    it(log),
    ...after(" as ", user),
    ...(background === true && command !== PAGE_SHELL ? [", in the background"] : []),
  ],
  "sandbox.join_process": (log, { process, tag }) => [
    "joined ",
    ...(shellNumber(textOf(tag)) === undefined ? theProcess(tag ?? process) : [`shell ${shellNumber(textOf(tag))}`]),
    " in ",
    it(log),
  ],
  "sandbox.signal_process": (log, { process, signal, times }) => [
    "sent ",
    code(signal),
    " to ",
    ...theProcess(process),
    " in ",
    it(log),
    ...(typeof times === "number" ? [`, ${times} times`] : []),
  ],
  "sandbox.end_process": (log, { process }) => ["ended ", ...theProcess(process), " in ", it(log)],
  "sandbox.write_file": (log, { path, name: file, archive, error }) => [
    failed(log)
      ? "could not unpack all of an archive into "
      : archive === true
        ? "unpacked an archive into "
        : "wrote ",
    code(join(path, file)),
    " in ",
    it(log),
    ...(textOf(error) === undefined ? [] : [`: ${textOf(error)}`]),
  ],
  "sandbox.make_directory": (log, { path }) => ["made the directory ", code(path), " in ", it(log)],
  "sandbox.move_file": (log, { source, destination }) => [
    "moved ",
    code(source),
    " to ",
    code(destination),
    " in ",
    it(log),
  ],
  "sandbox.remove_file": (log, { path, recursive, error }) => [
    failed(log) ? "could not remove all of " : "removed ",
    code(path),
    ...(recursive === true && !failed(log) ? [" with all in it"] : []),
    " in ",
    it(log),
    ...(textOf(error) === undefined ? [] : [`: ${textOf(error)}`]),
  ],
  "snapshot.create": (log, { sandbox, overwrote }) => [
    overwrote === true ? "replaced the snapshot " : "made the snapshot ",
    name(log.resource_id),
    " from ",
    capsule(sandbox),
  ],
  "snapshot.delete": (log) => ["deleted the snapshot ", name(log.resource_id)],
  "team.create": (_log, { name: called }) => ["created the team ", name(called)],
  "team.rename": (_log, { old_name, new_name }) => ["renamed the team from ", name(old_name), " to ", name(new_name)],
  "team.update": (_log, metadata) => ["changed ", list(Object.keys(metadata)) ?? "settings", " of the team"],
  "team.transfer": (_log, { email }) => ["made ", name(email), " the owner of the team"],
  "team.set_byoc": (_log, { is_byoc, team, team_name }) => [
    "has ",
    ...theTeam(team, team_name),
    is_byoc === true ? " bring its own hosts" : " use the shared hosts",
  ],
  "team.delete": (_log, { name: called }) => ["deleted the team ", name(called)],
  "member.add": (_log, { email, role }) => ["added ", name(email), ...after(" as ", role)],
  "member.role_update": (_log, { email, new_role }) => ["made ", name(email), " ", name(new_role)],
  "member.remove": (_log, { email, revoked_api_keys }) => [
    "removed ",
    name(email),
    ...(revoked_api_keys === true ? [" and revoked the keys they made"] : []),
  ],
  "member.leave": () => ["left the team"],
  "api_key.create": (_log, { name: called, scopes }) => [
    "created the key ",
    name(called),
    ...after(
      " for ",
      list(scopes)?.replace(/\w+/g, (scope) => SCOPE_WORDS[scope as Scope] ?? scope),
    ),
  ],
  "api_key.revoke": (_log, { name: called }) => ["revoked the key ", name(called)],
  "quota.update": (_log, { team, team_name, ...limits }) => [
    "set limits of ",
    ...theTeam(team, team_name),
    `: ${limitsSet(limits) ?? "?"}`,
  ],
  "quota.refuse": (_log, { quota, used, limit }) => refusal(quota, used, limit),
  "quota.limit_usage": (_log, { team, team_name, ...changes }) => [
    "set what ",
    ...theTeam(team, team_name),
    " may use in a month",
    ...after(": ", limitChanges(changes)),
  ],
  "quota.warn": (_log, metadata) => ["warned that the team has used ", ...usedInMonth(metadata, "warning")],
  "quota.reach_limit": (_log, metadata) => [
    "pauses the capsules of the team, which has used ",
    ...usedInMonth(metadata, "limit"),
  ],
  "user.sign_up": (_log, { email, provider }) => [
    "signed up",
    ...after(" as ", email),
    ...after(" through ", provider),
  ],
  "user.log_in": (_log, { method, address }) => [
    "signed in",
    ...after(" by ", method === "setup_link" ? "the set-up link" : method),
    ...after(" from ", address),
  ],
  "user.log_in_failed": (_log, { email, address }) => [
    "refused a log-in",
    ...after(" of ", email),
    ...after(" from ", address),
  ],
  "user.log_out": (_log, { session }) => [session === undefined ? "signed out" : "ended another of their sessions"],
  "user.log_out_everywhere": () => ["signed out everywhere"],
  "user.password_change": () => ["set another password"],
  "user.password_reset": (_log, { email }) => ["gave ", name(email), " another password"],
  "user.verify_email": (_log, { email }) => ["verified the address ", name(email)],
  "user.provider_link": (_log, { provider }) => ["linked the account with ", name(provider)],
  "user.provider_unlink": (_log, { provider }) => ["unlinked the account from ", name(provider)],
  "user.deactivate": (_log, { email }) => ["shut ", name(email), " out"],
  "user.activate": (_log, { email }) => ["let ", name(email), " in again"],
  "user.delete": () => ["deleted their account"],
  "user.grant": (_log, { email, right }) => ["let ", name(email), " administer the platform", ...after(": ", right)],
  "user.revoke": (_log, { email, right }) => [
    "let ",
    name(email),
    " no longer administer the platform",
    ...after(": ", right),
  ],
  "host.create": (log) => ["made the host ", name(log.resource_id), " known"],
  "host.issue_token": (log) => ["made a token with which the host ", name(log.resource_id), " registers"],
  "host.register": (log) => ["registered the host ", name(log.resource_id)],
  "host.delete": (log) => ["deleted the host ", name(log.resource_id)],
  "host.drain": (log) => ["let the host ", name(log.resource_id), " take no new sandboxes"],
  "host.set_offline": (log) => ["took the host ", name(log.resource_id), " out of service"],
  "host.set_online": (log) => ["let the host ", name(log.resource_id), " take sandboxes again"],
  "host.marked_up": (log, { again }) => [
    "saw the host ",
    name(log.resource_id),
    again === true ? " answer again" : " answer",
  ],
  "host.marked_down": (log) => ["saw the host ", name(log.resource_id), " fall silent"],
  "webhook.create": (_log, { name: hook, host }) => ["made the webhook ", name(hook), ...after(" to ", host)],
  "webhook.update": (_log, { name: hook }) => ["changed the webhook ", name(hook)],
  "webhook.delete": (_log, { name: hook }) => ["deleted the webhook ", name(hook)],
  "webhook.rotate_secret": (_log, { name: hook }) => ["gave the webhook ", name(hook), " another secret"],
  "webhook.test": (_log, { name: hook }) => ["sent a test to the webhook ", name(hook)],
  "webhook.redeliver": (_log, { name: hook }) => ["sent a message to the webhook ", name(hook), " again"],
  "webhook.give_up": (_log, { name: hook, event, problem }) => [
    "gave up a message to the webhook ",
    name(hook),
    ...after(", ", event),
    ...after(": ", problem),
  ],
  "webhook.disable": (_log, { name: hook, reason }) => [
    "switched the webhook ",
    name(hook),
    " off, ",
    reason === "queue_full" ? "since too much waits for it" : "since it has failed for days",
  ],
  "signing_key.rotate": (_log, { revoked }) => [
    "made a new key that signs sessions",
    ...(revoked === true ? [", and ended all that there were"] : []),
  ],
};

/** An event as one sentence, in which no text looks like another. One that this page does not know yet is told by its names. */
export function sentenceOf(log: AuditLog): Piece[] {
  return piecesOf(log).map((piece) => {
    if (typeof piece === "string") return visible(piece);
    if ("name" in piece) return { name: visible(piece.name) };
    return "code" in piece ? { code: visible(piece.code) } : { href: piece.href, text: visible(piece.text) };
  });
}

function piecesOf(log: AuditLog): Piece[] {
  const actor: Piece = bySystem(log) ? systemOf(log) : { name: log.actor_name || log.actor_id || "Somebody" };
  const tell = SENTENCES[`${log.resource_type}.${log.action}`];
  if (tell) return [actor, " ", ...tell(log, log.metadata ?? {})];
  return [actor, ` ${log.action} ${log.resource_type} `, name(log.resource_id, "")];
}

/** The same as plain text. */
export function textOfSentence(log: AuditLog): string {
  return sentenceOf(log)
    .map((piece) =>
      typeof piece === "string" ? piece : "name" in piece ? piece.name : "code" in piece ? piece.code : piece.text,
    )
    .join("");
}

/** Who acts for the server: it itself, or its operator on its machine. */
function systemOf({ actor_name }: AuditLog): string {
  return actor_name === "operator" ? "The operator of the server" : "The system";
}

/** The team that an event is about, which only the platform's log names: as it was called then, or by its id. */
function theTeam(id: unknown, called: unknown): Piece[] {
  if (typeof id !== "string") return ["the team"];
  return ["the team ", textOf(called) === undefined ? code(id) : name(called)];
}

/** What a team was refused, in the units of the pages. */
function refusal(quota: unknown, used: unknown, limit: unknown): Piece[] {
  const monthly = AMOUNTS.find(({ key }) => key === quota);
  const { noun, format } = monthly ?? holdingOf(quota);
  const figure = (value: unknown) => (typeof value === "number" ? format(value) : "?");
  const span = monthly ? "were used in the month" : "are in use";
  return ["was refused more ", name(noun), `: ${figure(used)} of ${figure(limit)} ${span}`];
}

/** Limits that were set anew; null stands for the server's own. */
function limitsSet(limits: Metadata): string | undefined {
  const words = Object.entries(limits).map(([quota, limit]) => {
    const { noun, format } = holdingOf(quota);
    return `${noun} ${typeof limit === "number" ? format(limit) : "as by default"}`;
  });
  return list(words);
}

function holdingOf(quota: unknown): { noun: string; format: (value: number) => string } {
  return HOLDINGS.get(quota) ?? { noun: textOf(quota) ?? "?", format: count };
}

/** A command by its process id or its tag. */
function theProcess(process: unknown): Piece[] {
  return [/^\d+$/.test(textOf(process) ?? "") ? "the process " : "the command ", code(process)];
}

/** How much was used of what, in which month, and what was set. */
function usedInMonth(metadata: Metadata, level: "warning" | "limit"): Piece[] {
  const { amount, used, month, [level]: threshold } = metadata;
  const known = AMOUNTS.find(({ key }) => key === amount);
  if (!known || typeof used !== "number" || typeof threshold !== "number") return ["much in a month"];
  const { noun, format } = known;
  return [name(`${format(used)} of ${noun}`), ...after(" in ", month), ` (${level}: ${format(threshold)})`];
}

/** What was set anew of what a team may use in a month. */
function limitChanges(metadata: Metadata): string {
  const changes = AMOUNTS.flatMap(({ key, noun, format }) =>
    ["warning", "limit"].flatMap((level) => {
      const words = (value: unknown) => (typeof value === "number" ? format(value) : "none");
      const [before, now] = [metadata[`old_${key}_${level}`], metadata[`new_${key}_${level}`]];
      return now === undefined ? [] : [`${level} of ${noun} from ${words(before)} to ${words(now)}`];
    }),
  );
  return changes.join(", ");
}

/** What follows when a value is there. */
function after(words: string, value: unknown): Piece[] {
  const text = textOf(value);
  return text === undefined ? [] : [`${words}${text}`];
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

function list(value: unknown): string | undefined {
  return Array.isArray(value) && value.length > 0 ? value.map(String).join(", ") : undefined;
}

/** A file's path, with its name when the path is of its directory. */
function join(path: unknown, file: unknown): string {
  const parts = [textOf(path)?.replace(/(.)\/+$/, "$1"), textOf(file)].filter((part) => part !== undefined);
  return parts.join(parts[0] === "/" ? "" : "/");
}
