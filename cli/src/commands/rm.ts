import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { forEachSandbox } from "../servers/each.ts";

/** `warren rm`: ends sandboxes. */
export function rmCommand(finish: (status: number) => void): Command {
  return new Command("rm")
    .summary("end sandboxes and remove all they held")
    .argument("<sandboxes...>", "ids or names")
    .addOption(dataDirOption())
    .action(async (sandboxes: string[], { dataDir }: { dataDir: string }) => {
      finish(await forEachSandbox(await runningServer(dataDir), sandboxes, (sandbox) => sandbox.destroy()));
    });
}
