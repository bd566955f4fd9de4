import type { Host, HostDetails, Hosts } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { list } from "../arguments/parse.ts";
import { forEachName } from "../servers/each.ts";
import { managedHosts } from "../servers/hosts.ts";
import { jsonText } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";
import { createHostCommand, hostTokenCommand } from "./host-create.ts";
import { deleteHostCommand } from "./host-delete.ts";
import { joinHostCommand } from "./host-join.ts";
import { hostStatusCommand, leaveHostCommand } from "./host-leave.ts";

type Finish = (status: number) => void;

interface DataDir {
  dataDir: string;
}

/** `warren host`: the machines that run sandboxes. */
export function hostCommand(finish: Finish): Command {
  const host = new Command("host")
    .summary("list, make known, join, drain and delete hosts: the machines that run sandboxes")
    .description(
      "Manages hosts, the machines that run sandboxes: all hosts of the server on this machine, through a socket that only " +
        "the server's user and root can open; or, of the server that WARREN_URL names, those that the person may whose " +
        "session's token is in WARREN_SESSION_TOKEN. Besides, 'join', 'status' and 'leave' are about this machine as a host " +
        "of a control plane on another one.",
    );
  const commands = [
    listCommand(finish),
    showCommand(finish),
    createHostCommand(finish),
    hostTokenCommand(finish),
    tagsCommand(finish),
    dutyCommand("drain", "have hosts take no new sandboxes; those on them go on", finish),
    dutyCommand("offline", "take hosts out of service, whose sandboxes must all be paused or over", finish),
    dutyCommand("online", "have hosts take sandboxes again", finish),
    deleteHostCommand(finish),
    joinHostCommand(finish),
    hostStatusCommand(finish),
    leaveHostCommand(finish),
  ];
  for (const command of commands) {
    command.addOption(dataDirOption()).exitOverride().helpOption("-h, --help", "print help");
    host.addCommand(command.showHelpAfterError("(--help says more)"));
  }
  return host;
}

function listCommand(finish: Finish): Command {
  return new Command("list")
    .alias("ls")
    .summary("list hosts, the oldest first")
    .option("-q, --quiet", "print ids only")
    .option("--json", "print a JSON array")
    .action(async ({ dataDir, json, quiet }: DataDir & { json?: boolean; quiet?: boolean }) => {
      const hosts = await (await managedHosts(dataDir)).hosts.list();
      if (json) process.stdout.write(`${jsonText(hosts)}\n`);
      else if (quiet) process.stdout.write(hosts.map(({ id }) => `${id}\n`).join(""));
      else process.stdout.write(table(HEADINGS, hosts.map(row)));
      finish(0);
    });
}

function showCommand(finish: Finish): Command {
  return new Command("show")
    .summary("what a host is, has and holds")
    .argument("<host>", "id")
    .option("--json", "print a JSON object, with its tags")
    .action(async (id: string, { dataDir, json }: DataDir & { json?: boolean }) => {
      const { hosts } = await managedHosts(dataDir);
      const [host, tags] = await Promise.all([hosts.get(id), hosts.tags(id)]);
      process.stdout.write(json ? `${jsonText({ ...host, tags })}\n` : table(["FIELD", "VALUE"], fields(host, tags)));
      finish(0);
    });
}

function tagsCommand(finish: Finish): Command {
  return new Command("tags")
    .summary("give a host tags or take some from it; prints those that it has")
    .argument("<host>", "id")
    .option("--add <tag>", "tag to give (repeatable, or a,b)", list)
    .option("--remove <tag>", "tag to take (repeatable, or a,b)", list)
    .action(async (id: string, { dataDir, add = [], remove = [] }: DataDir & { add?: string[]; remove?: string[] }) => {
      const { hosts } = await managedHosts(dataDir);
      for (const tag of add) await hosts.addTag(id, tag);
      for (const tag of remove) await hosts.removeTag(id, tag);
      process.stdout.write((await hosts.tags(id)).map((tag) => `${tag}\n`).join(""));
      finish(0);
    });
}

function dutyCommand(name: "drain" | "offline" | "online", summary: string, finish: Finish): Command {
  return new Command(name)
    .summary(summary)
    .argument("<hosts...>", "ids")
    .action(async (ids: string[], { dataDir }: DataDir) => {
      const { hosts }: { hosts: Hosts } = await managedHosts(dataDir);
      finish(await forEachName(ids, (id) => hosts[name](id)));
    });
}

const HEADINGS = ["HOST", "STATUS", "OF", "CPUS", "MEMORY", "SANDBOXES", "LAST HEARD OF", "ADDRESS"];

function row(host: Host): string[] {
  const { id, status, cpu_cores, memory_mb, load, last_heartbeat_at, address } = host;
  return [
    id,
    status,
    host.team_id ?? "all",
    String(cpu_cores ?? "-"),
    memory_mb === undefined ? "-" : `${memory_mb} MiB`,
    load ? `${load.running} running, ${load.paused} paused` : "-",
    last_heartbeat_at ?? "never",
    address ?? "-",
  ];
}

/** What is known of a host, line by line. */
function fields(host: HostDetails, tags: readonly string[]): string[][] {
  const { load, templates, ...plain } = host;
  const known = { ...plain, ...load };
  return [
    ...Object.entries(known).map(([name, value]) => [name, String(value)]),
    ["tags", tags.join(" ") || "-"],
    ["templates", templates.map(({ name }) => name).join(" ") || "-"],
  ];
}
