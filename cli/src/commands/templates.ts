import type { Template } from "@warren/contracts/rest/templates";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { forEachName } from "../servers/each.ts";
import { jsonText } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";
import { createTemplateCommand } from "./create-template.ts";

interface ListOptions {
  dataDir: string;
  json?: boolean;
  quiet?: boolean;
}

/** `warren templates`: what sandboxes are made from. */
export function templatesCommand(finish: (status: number) => void): Command {
  const list = new Command("ls")
    .summary("list the team's templates and those of the server")
    .addOption(dataDirOption())
    .option("-q, --quiet", "print names only")
    .option("--json", "print a JSON array")
    .action(async ({ dataDir, json, quiet }: ListOptions) => {
      const templates = await (await runningServer(dataDir)).templates.list();
      if (json) process.stdout.write(`${jsonText(templates)}\n`);
      else if (quiet) process.stdout.write(templates.map(({ name }) => `${name}\n`).join(""));
      else process.stdout.write(table(HEADINGS, templates.map(row)));
      finish(0);
    });
  const remove = new Command("rm")
    .summary("remove templates; sandboxes that were made from them stay")
    .argument("<templates...>", "names")
    .addOption(dataDirOption())
    .action(async (names: string[], { dataDir }: { dataDir: string }) => {
      const { templates } = await runningServer(dataDir);
      finish(await forEachName(names, (name) => templates.delete(name)));
    });
  return new Command("templates")
    .summary("list, make and remove templates")
    .addCommand(list)
    .addCommand(createTemplateCommand(finish))
    .addCommand(remove);
}

const HEADINGS = ["NAME", "TYPE", "VCPUS", "MEMORY", "SIZE", "CREATED"];

function row({ name, type, vcpus, memory_mb, size_bytes, created_at }: Template): string[] {
  const memory = memory_mb === undefined ? "" : `${memory_mb} MiB`;
  // What a template of the server takes is nobody's in particular.
  const size = size_bytes === 0 ? "" : `${Math.ceil(size_bytes / 1024 / 1024)} MiB`;
  return [name, type, String(vcpus ?? ""), memory, size, created_at];
}
