import { AUDIT_EVENTS } from "@warren/contracts/rest/audit";
import { expect, it } from "vitest";
import { SHELL } from "#lib/capsules/terminal/shell-tag.ts";
import { readFilters, withFilters, writeFilters } from "./filters.ts";
import { type AuditLog, SENTENCES, textOfSentence } from "./sentences.ts";

const log = (fields: Partial<AuditLog>): AuditLog => ({
  id: "log-1",
  actor_type: "user",
  actor_name: "Ann",
  resource_type: "sandbox",
  action: "create",
  scope: "team",
  status: "success",
  created_at: "2026-11-28T20:00:00Z",
  ...fields,
});

it("has a sentence for every event that the server records, and for no other", () => {
  const events = Object.entries(AUDIT_EVENTS).flatMap(([resource, actions]) =>
    Object.keys(actions).map((action) => `${resource}.${action}`),
  );
  expect(Object.keys(SENTENCES).sort()).toEqual(events.sort());
});

it.each(Object.keys(SENTENCES))("tells of %s without a gap, with and without its metadata", (key) => {
  const [resource_type, action] = key.split(".") as [AuditLog["resource_type"], AuditLog["action"]];
  for (const metadata of [
    {},
    { email: "a@b", name: "x", message: "m", fields: ["name"], path: "/a", right: "teams" },
  ]) {
    for (const status of ["success", "error"] as const) {
      const text = textOfSentence(log({ resource_type, action, status, metadata, resource_id: "sb123" }));
      expect(text).toMatch(/^Ann \S/);
      expect(text).not.toMatch(/undefined|null|\[object| {2}|\s$/);
    }
  }
});

it("speaks of the system where nobody acts, and says why", () => {
  const paused = log({
    actor_type: "system",
    action: "pause",
    resource_id: "sb123",
    metadata: { reason: "inactivity", message: "nothing used it for 60 s" },
  });
  expect(textOfSentence(paused)).toBe("The system paused sb123: nothing used it for 60 s");
});

it.each([
  [
    "warn",
    { amount: "cpu_minutes", used: 90, warning: 60, month: "2026-11" },
    "warned that the team has used 1.5 h of CPU time in 2026-11 (warning: 1 h)",
  ],
  [
    "reach_limit",
    { amount: "egress_bytes", used: 2048, limit: 2048, month: "2026-11" },
    "pauses the capsules of the team, which has used 2 KiB of egress in 2026-11 (limit: 2 KiB)",
  ],
  [
    "limit_usage",
    {
      old_cpu_minutes_limit: null,
      new_cpu_minutes_limit: 30,
      old_cpu_minutes_warning: 10,
      new_cpu_minutes_warning: null,
    },
    "set what the team may use in a month: warning of CPU time from 10 min to none, limit of CPU time from none to 30 min",
  ],
] as const)("tells of %s with its figures", (action, metadata, words) => {
  const told = log({ actor_type: "system", resource_type: "quota", action, metadata });
  expect(textOfSentence(told)).toBe(`The system ${words}`);
});

it.each([
  ["memory_mb_minutes", 6217, 5800, "memory: 0.1 GiB·h of 0.09 GiB·h were used in the month"],
  ["egress_bytes", 2048, 2048, "egress: 2 KiB of 2 KiB were used in the month"],
  ["memory_mb", 4096, 4096, "memory: 4 GiB of 4 GiB are in use"],
  ["sandboxes", 20, 20, "capsules: 20 of 20 are in use"],
  ["constructor", 1, 1, "constructor: 1 of 1 are in use"],
])("tells of a refusal of %s in the units of the pages", (quota, used, limit, words) => {
  const refused = log({ resource_type: "quota", action: "refuse", metadata: { quota, used, limit } });
  expect(textOfSentence(refused)).toBe(`Ann was refused more ${words}`);
});

it("tells the operator from the server, and a first sign of life of a host from another", () => {
  const bySystem = (fields: Partial<AuditLog>) => textOfSentence({ ...log(fields), actor_type: "system" });
  const limits = { sandboxes: 1, team: "team-1t9x", team_name: "Hares" };
  const set = { resource_type: "quota", action: "update", metadata: limits } as const;
  expect(bySystem({ ...set, actor_name: "operator" })).toBe(
    "The operator of the server set limits of the team Hares: capsules 1",
  );
  const { actor_name: _, ...up } = log({ resource_type: "host", action: "marked_up", resource_id: "host-1" });
  const system = { ...up, actor_type: "system" } as const;
  expect(textOfSentence(system)).toBe("The system saw the host host-1 answer");
  expect(textOfSentence({ ...system, metadata: { again: true } })).toBe("The system saw the host host-1 answer again");
});

it.each([
  [{ path: "/home/user/", name: "a.txt" }, "/home/user/a.txt"],
  [{ path: "/home/user", name: "a.txt" }, "/home/user/a.txt"],
  [{ path: "/", name: "a.txt" }, "/a.txt"],
  [{ path: "notes/b.txt" }, "notes/b.txt"],
])("names the file of %j", (metadata, path) => {
  expect(textOfSentence(log({ action: "write_file", resource_id: "sb123", metadata }))).toBe(
    `Ann wrote ${path} in sb123`,
  );
});

it("tells of directories that came as archives, whole or not", () => {
  const metadata = { path: "/srv/app", bytes: 10, archive: true };
  const write = { action: "write_file", resource_id: "sb123" } as const;
  expect(textOfSentence(log({ ...write, metadata }))).toBe("Ann unpacked an archive into /srv/app in sb123");
  const failed = log({ ...write, status: "error", metadata: { ...metadata, error: "it breaks off" } });
  expect(textOfSentence(failed)).toBe("Ann could not unpack all of an archive into /srv/app in sb123: it breaks off");
});

it.each([
  [{ sandboxes: 1, vcpus: null }, "Ann set limits of the team: capsules 1, vCPUs as by default"],
  [{ memory_mb: 8192, team: "team-1t9x" }, "Ann set limits of the team team-1t9x: memory 8 GiB"],
  [{ disk_mb: 512, team: "team-1t9x", team_name: "Hares" }, "Ann set limits of the team Hares: disk 512 MiB"],
])("names the team of %j where several are", (metadata, sentence) => {
  expect(textOfSentence(log({ resource_type: "quota", action: "update", metadata }))).toBe(sentence);
});

it("filters take the place of others in an address that says more", () => {
  const url = new URL("https://warren.test/dashboard/admin?tab=audit&action=pause&resource_id=sb1");
  const filters = { resources: ["user"], actions: [], resourceId: "" };
  expect(withFilters(url, filters)).toBe("/dashboard/admin?tab=audit&resource_type=user");
  url.searchParams.delete("tab");
  expect(withFilters(url, { ...filters, resources: [] })).toBe("/dashboard/admin");
});

it("filters are in the address, and what it does not know is left out", () => {
  const filters = readFilters(new URLSearchParams("resource_type=sandbox,nonsense&action=pause&action=resume,pause"));
  expect(filters).toEqual({ resources: ["sandbox"], actions: ["pause", "resume"], resourceId: "" });
  expect(readFilters(new URLSearchParams(writeFilters(filters)))).toEqual(filters);
  expect(writeFilters({ resources: [], actions: [], resourceId: "" })).toBe("");
});

it("tells of a terminal of the pages in words, and of no other command so", () => {
  const shell = `sh -c '${SHELL}'`;
  const tell = (command: string) =>
    textOfSentence(log({ action: "exec", resource_id: "sb123", metadata: { command } }));
  expect(tell(shell)).toMatch(/ opened a shell in sb123$/);
  expect(tell(`${shell} `)).toMatch(/ ran sh -c /);
});

it("tells of commands in the background, and of what is done with them by process id or tag", () => {
  const tell = (action: AuditLog["action"], metadata: AuditLog["metadata"]) =>
    textOfSentence(log({ action, resource_id: "sb123", metadata }));
  expect(tell("exec", { command: "make", background: true })).toMatch(/ started make in sb123, in the background$/);
  expect(tell("signal_process", { process: "95", signal: "SIGHUP" })).toMatch(
    / sent SIGHUP to the process 95 in sb123$/,
  );
  expect(tell("signal_process", { process: "95", signal: "SIGINT", times: 12 })).toMatch(
    / sent SIGINT .* in sb123, 12 times$/,
  );
  expect(tell("join_process", { process: "95" })).toMatch(/ joined the process 95 in sb123$/);
  expect(tell("join_process", { process: "95", tag: "server" })).toMatch(/ joined the command server in sb123$/);
  expect(tell("join_process", { process: "95", tag: "terminal-2" })).toMatch(/ joined shell 2 in sb123$/);
  expect(tell("end_process", { process: "server" })).toMatch(/ ended the command server in sb123$/);
});

it("names the scopes of a key as pages do", () => {
  const metadata = { name: "ci", scopes: ["sandboxes", "templates", "read"] };
  const made = log({ resource_type: "api_key", action: "create", metadata });
  expect(textOfSentence(made)).toBe("Ann created the key ci for capsules, snapshots, read");
});

it("shows what a command or a name hides", () => {
  const ran = log({ action: "exec", resource_id: "sb123", metadata: { command: "sh -c 'true\nrm \u202ex'" } });
  expect(textOfSentence({ ...ran, actor_name: "A\u202enn" })).toBe(
    "A\\u202enn ran sh -c 'true\\nrm \\u202ex' in sb123",
  );
});
