import type { ListOptions, Process, Sandbox } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { list, pairs } from "../arguments/parse.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";
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

/** `warren ps`, also `ls`: the sandboxes of a running server, or the commands of one of them. */
export function psCommand(finish: (status: number) => void): Command {
  return new Command("ps")
    .alias("ls")
    .summary("list sandboxes, or the commands of one")
    .description(
      "Lists sandboxes; or, of a sandbox that is named, its commands, which 'warren attach' joins and 'warren kill' ends: those that " +
        "run, and those of the background that ended within the last hour.",
    )
    .argument("[sandbox]", "id or name of a sandbox whose commands are listed")
    .addOption(dataDirOption())
    .option("--status <status>", "only those in this state, such as paused or stopped (repeatable, or a,b)", list)
    .option("--template <name>", "only those that were started from this template")
    .option("--search <text>", "only those with this in their id or name")
    .option("--metadata <key=value>", "only those with this in their metadata (repeatable)", pairs)
    .option("-q, --quiet", "print ids only; of commands, process ids")
    .option("--json", "print a JSON array")
    .action(async (named: string | undefined, { dataDir, json, quiet, ...filters }: PsOptions) => {
      const warren = await runningServer(dataDir);
      if (named !== undefined) {
        if (Object.keys(filters).length > 0) throw new Error("Sandboxes are filtered, and not the commands of one.");
        const processes = await (await findSandbox(warren, named)).processes.list();
        if (json) process.stdout.write(`${jsonText(processes)}\n`);
        else if (quiet) process.stdout.write(processes.map(({ pid }) => `${pid}\n`).join(""));
        else process.stdout.write(table(PROCESS_HEADINGS, processes.map(processRow)));
        finish(0);
        return;
      }
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

const PROCESS_HEADINGS = ["PID", "TAG", "STATUS", "USER", "STARTED", "CPU", "MEMORY", "OUTPUT", "COMMAND"];

/** Characters of a command line that a table shows. */
const SHOWN = 100;

function processRow(listed: Process): string[] {
  const { pid, tag = "", user, started_at, cpu_ms, memory_bytes, output_bytes, cmd, args } = listed;
  const line = [cmd, ...args].join(" ");
  return [
    String(pid),
    tag,
    statusOf(listed),
    user,
    started_at,
    `${(cpu_ms / 1000).toFixed(1)} s`,
    `${Math.ceil(memory_bytes / 1024 / 1024)} MiB`,
    `${Math.ceil(output_bytes / 1024)} KiB`,
    line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line,
  ];
}

/** Whether a command runs, or how it ended. */
function statusOf({ background, exit }: Process): string {
  if (!exit) return background ? "background" : "running";
  if (exit.timed_out) return "timed out";
  return exit.signal ?? `exit ${exit.exit_code}`;
}
