import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { variable } from "../arguments/parse.ts";
import {
  addSandboxOptions,
  addSettingsOptions,
  type SandboxOptions,
  type SettingsOptions,
  sandboxAsked,
  settingsAsked,
} from "../arguments/sandbox-options.ts";
import { runningServer } from "../servers/connection.ts";

type CreateOptions = SandboxOptions & SettingsOptions & { dataDir: string; env?: Record<string, string> };

/** `warren create`: a sandbox that stays until it is ended. */
export function createCommand(finish: (status: number) => void): Command {
  const command = new Command("create")
    .summary("make a sandbox and print its id")
    .description("Makes a sandbox on a running server, waits until it runs and prints its id.");
  return addSettingsOptions(addSandboxOptions(command))
    .option(
      "-e, --env <key=value>",
      "environment variable of all its processes; KEY alone passes the one of this shell on (repeatable)",
      variable,
    )
    .addOption(dataDirOption())
    .action(async ({ dataDir, env, ...options }: CreateOptions) => {
      const warren = await runningServer(dataDir);
      const asked = { ...sandboxAsked(options), ...settingsAsked(options), ...(env ? { env } : {}) };
      process.stdout.write(`${(await warren.sandboxes.create(asked)).id}\n`);
      finish(0);
    });
}
