import type { Sandbox } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { table } from "../terminal/table.ts";

/** `warren ps`: the sandboxes of a running server. */
export function psCommand(finish: (status: number) => void): Command {
  return new Command("ps")
    .summary("list sandboxes")
    .addOption(dataDirOption())
    .option("--json", "print a JSON array")
    .action(async ({ dataDir, json }: { dataDir: string; json?: boolean }) => {
      const warren = await runningServer(dataDir);
      const sandboxes = await warren.sandboxes.list();
      if (json) process.stdout.write(`${JSON.stringify(sandboxes.map(({ fields }) => fields))}\n`);
      else process.stdout.write(table(["ID", "STATUS", "TEMPLATE", "VCPUS", "MEMORY", "CREATED"], sandboxes.map(row)));
      finish(0);
    });
}

function row({ fields }: Sandbox): string[] {
  const { id, status, template, vcpus, memory_mb, created_at } = fields;
  return [id, status, template, String(vcpus), `${memory_mb} MiB`, created_at];
}
