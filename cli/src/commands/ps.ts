import type { ListOptions, Sandbox } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { list, pairs } from "../arguments/parse.ts";
import { runningServer } from "../servers/connection.ts";
import { jsonText } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";

interface PsOptions {
  dataDir: string;
  json?: boolean;
  quiet?: boolean;
  status?: string[];
  template?: string;
  search?: string;
  metadata?: Record<string, string>;
}

/** `warren ps`, also `ls`: the sandboxes of a running server. */
export function psCommand(finish: (status: number) => void): Command {
  return new Command("ps")
    .alias("ls")
    .summary("list sandboxes")
    .addOption(dataDirOption())
    .option("--status <status>", "only those in this state, such as paused or stopped (repeatable, or a,b)", list)
    .option("--template <name>", "only those that were started from this template")
    .option("--search <text>", "only those with this in their id or name")
    .option("--metadata <key=value>", "only those with this in their metadata (repeatable)", pairs)
    .option("-q, --quiet", "print ids only")
    .option("--json", "print a JSON array")
    .action(async ({ dataDir, json, quiet, ...filters }: PsOptions) => {
      const warren = await runningServer(dataDir);
      // The server knows which states there are.
      const sandboxes: Sandbox[] = [];
      for await (const sandbox of warren.sandboxes.each(filters as ListOptions)) sandboxes.push(sandbox);
      if (json) process.stdout.write(`${jsonText(sandboxes.map(({ fields }) => fields))}\n`);
      else if (quiet) process.stdout.write(sandboxes.map(({ id }) => `${id}\n`).join(""));
      else process.stdout.write(table(HEADINGS, sandboxes.map(row)));
      finish(0);
    });
}

const HEADINGS = ["ID", "NAME", "STATUS", "TEMPLATE", "VCPUS", "MEMORY", "CREATED"];

function row({ fields }: Sandbox): string[] {
  const { id, name = "", reason, template, vcpus, memory_mb, created_at } = fields;
  // That somebody asked for it is what the status says.
  const status = reason && reason.code !== "requested" ? `${fields.status} (${reason.code})` : fields.status;
  return [id, name, status, template, String(vcpus), `${memory_mb} MiB`, created_at];
}
