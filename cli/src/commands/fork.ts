import { LIMITS } from "@warren/contracts/limits";
import { WarrenError } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { integer } from "../arguments/parse.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";
import { describe, warn } from "../terminal/messages.ts";

/** `warren fork`: copies of a running sandbox. */
export function forkCommand(finish: (status: number) => void): Command {
  const { min, max } = LIMITS.forks;
  return new Command("fork")
    .summary("copy a running sandbox and print the ids of the copies")
    .description("Copies a running sandbox, each copy going on where it stands, and prints the ids of the copies.")
    .argument("<sandbox>", "id or name")
    .option("-c, --count <n>", "number of copies", integer(min, max), LIMITS.forks.default)
    .addOption(dataDirOption())
    .action(async (name: string, { dataDir, count }: { dataDir: string; count: number }) => {
      const sandbox = await findSandbox(await runningServer(dataDir), name);
      let failed = 0;
      for (const copy of await sandbox.fork(count)) {
        if (copy instanceof WarrenError) {
          failed++;
          warn(describe(copy));
        } else process.stdout.write(`${copy.id}\n`);
      }
      finish(failed === 0 ? 0 : 1);
    });
}
