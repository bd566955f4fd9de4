import { WarrenError } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";

/** `warren templates create`: a template of a sandbox. */
export function createTemplateCommand(finish: (status: number) => void): Command {
  return new Command("create")
    .summary("make a template of a sandbox and print its name")
    .description(
      "Makes a template of a running or paused sandbox, for 'warren create --template', and prints its name.",
    )
    .argument("<sandbox>", "id or name")
    .argument("[template]", "name of the template; a generated one when absent")
    .option("--overwrite", "replace a template of this name")
    .addOption(dataDirOption())
    .action(async (id: string, name: string | undefined, options: { dataDir: string; overwrite?: boolean }) => {
      const warren = await runningServer(options.dataDir);
      const asked = {
        ...(name === undefined ? {} : { name }),
        ...(options.overwrite ? { overwrite: true } : {}),
      };
      const made = warren.templates.create(await findSandbox(warren, id), asked);
      const { name: given } = await made.catch((error: unknown) => {
        if (!(error instanceof WarrenError) || error.code !== "already_exists") throw error;
        throw new WarrenError(error.code, `There is a template ${name} already: --overwrite replaces it`);
      });
      process.stdout.write(`${given}\n`);
      finish(0);
    });
}

/** `warren snapshot`: the name that `warren templates create` had, kept for scripts that use it. */
export function snapshotCommand(finish: (status: number) => void): Command {
  return createTemplateCommand(finish).name("snapshot");
}
