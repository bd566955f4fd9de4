import type { EventsOptions, StreamedEvent } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { list } from "../arguments/parse.ts";
import { runningServer } from "../servers/connection.ts";
import { Interruption } from "../terminal/interruption.ts";
import { jsonText, printableName } from "../terminal/printable.ts";

interface EventsCommandOptions {
  dataDir: string;
  json?: boolean;
  types?: string[];
  after?: string;
}

/** `warren events`: what changes, as it happens, until it is interrupted. */
export function eventsCommand(): Command {
  return new Command("events")
    .summary("follow what changes: sandboxes and templates")
    .addOption(dataDirOption())
    .option("--types <type>", "only these, such as sandbox or template (repeatable, or a,b)", list)
    .option("--after <position>", "go on after an event that --json has printed")
    .option("--json", "print a line of JSON for each")
    .action(async ({ dataDir, json, types, after }: EventsCommandOptions) => {
      const warren = await runningServer(dataDir);
      const { signal } = new Interruption();
      // The server knows which types there are.
      const options = { signal, ...(types && { types }), ...(after !== undefined && { after }) } as EventsOptions;
      for await (const event of warren.events(options)) {
        const line = json ? jsonText(event) : lineOf(event);
        if (line !== undefined) process.stdout.write(`${line}\n`);
      }
    });
}

/** An event for people: when, what, which, how it is now, and its name. */
function lineOf(event: StreamedEvent): string | undefined {
  if (event.type === "ready") return undefined;
  if (event.type === "reset") return `(${event.message})`;
  const status = event.type === "sandbox" ? event.status : "";
  const name = "resource" in event && event.resource && "name" in event.resource ? (event.resource.name ?? "") : "";
  const words = [event.at, event.type, event.action, event.id, status, name === event.id ? "" : name];
  return words
    .filter((word) => word !== "")
    .map(printableName)
    .join("  ");
}
