import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { describe, warn } from "../terminal/messages.ts";

/** `warren rm`: ends sandboxes. */
export function rmCommand(finish: (status: number) => void): Command {
  return new Command("rm")
    .summary("end sandboxes and remove all they held")
    .argument("<ids...>", "sandbox ids")
    .addOption(dataDirOption())
    .action(async (ids: string[], { dataDir }: { dataDir: string }) => {
      const warren = await runningServer(dataDir);
      let failed = 0;
      await Promise.all(
        ids.map(async (id) => {
          try {
            await (await warren.sandboxes.get(id)).destroy();
            process.stdout.write(`${id}\n`);
          } catch (error) {
            failed++;
            warn(`${id}: ${describe(error)}`);
          }
        }),
      );
      finish(failed === 0 ? 0 : 1);
    });
}
