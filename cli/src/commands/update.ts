import { Command, Option } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { pairs } from "../arguments/parse.ts";
import { addSettingsOptions, type SettingsOptions, settingsAsked } from "../arguments/sandbox-options.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";

type UpdateOptions = SettingsOptions & { dataDir: string; name?: string | false; metadata?: Record<string, string> };

/** `warren update`: name, metadata and settings of a sandbox. */
export function updateCommand(finish: (status: number) => void): Command {
  const command = new Command("update")
    .summary("change name, metadata or settings of a sandbox")
    .argument("<sandbox>", "id or name")
    .addOption(new Option("-n, --name <name>", "new name"))
    .option("--no-name", "take its name away")
    .option("--metadata <key=value>", "text to keep with it, in place of all that is kept (repeatable)", pairs);
  return addSettingsOptions(command)
    .addOption(dataDirOption())
    .action(async (sandbox: string, { dataDir, name, metadata, ...options }: UpdateOptions) => {
      const changes = {
        ...(name === undefined ? {} : { name: name === false ? null : name }),
        ...(metadata === undefined ? {} : { metadata }),
        ...settingsAsked(options),
      };
      if (Object.keys(changes).length === 0) throw new Error("Say what to change; --help lists it.");
      await (await findSandbox(await runningServer(dataDir), sandbox)).update(changes);
      finish(0);
    });
}
