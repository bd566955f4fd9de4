import type { HostDeletePreview, Hosts } from "@warren/sdk";
import { Command } from "commander";
import { forEachName } from "../servers/each.ts";
import { managedHosts } from "../servers/hosts.ts";
import { warn } from "../terminal/messages.ts";

/** Names of what is lost that are told one by one. */
const NAMED = 20;

/** `warren host delete`: removes hosts, and says before what is lost with them. */
export function deleteHostCommand(finish: (status: number) => void): Command {
  return new Command("delete")
    .alias("rm")
    .summary("delete hosts")
    .description(
      "Deletes hosts. What would be lost with one, sandboxes on it and templates whose files only it has, is said first; " +
        "such a host is left as it is unless --force is given.",
    )
    .argument("<hosts...>", "ids")
    .option("-f, --force", "destroy the sandboxes on them, and give up their templates")
    .action(async (ids: string[], { dataDir, force = false }: { dataDir: string; force?: boolean }) => {
      const { hosts } = await managedHosts(dataDir);
      finish(await forEachName(ids, (id) => deleteHost(hosts, id, force)));
    });
}

async function deleteHost(hosts: Hosts, id: string, force: boolean): Promise<void> {
  const lost = lostWith(await hosts.deletePreview(id));
  for (const line of lost) warn(`${id}: ${force ? "lost with it" : "would be lost with it"}: ${line}`);
  if (lost.length > 0 && !force) throw new Error("nothing was changed; --force deletes it with all of that");
  await hosts.delete(id, { force });
}

function lostWith({ sandbox_ids, templates }: HostDeletePreview): string[] {
  return [
    ...(sandbox_ids.length > 0 ? [`${count(sandbox_ids, "sandbox", "sandboxes")}: ${named(sandbox_ids)}`] : []),
    ...(templates.length > 0 ? [`${count(templates, "template", "templates")}: ${named(templates)}`] : []),
  ];
}

function count({ length }: readonly string[], one: string, several: string): string {
  return `${length} ${length === 1 ? one : several}`;
}

function named(names: readonly string[]): string {
  const others = names.length > NAMED ? ` and ${names.length - NAMED} more` : "";
  return `${names.slice(0, NAMED).join(" ")}${others}`;
}
