import { LIMITS } from "@warren/contracts/limits";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { integer } from "../arguments/parse.ts";
import { runningServer } from "../servers/connection.ts";
import { forEachSandbox } from "../servers/each.ts";

/** `warren pause`: sandboxes to disk. */
export function pauseCommand(finish: (status: number) => void): Command {
  return new Command("pause")
    .summary("put running sandboxes to disk")
    .description("Writes running sandboxes to disk, where they take no memory; 'warren resume' lets them go on.")
    .argument("<sandboxes...>", "ids or names")
    .addOption(dataDirOption())
    .action(async (sandboxes: string[], { dataDir }: { dataDir: string }) => {
      finish(await forEachSandbox(await runningServer(dataDir), sandboxes, (sandbox) => sandbox.pause()));
    });
}

/** `warren resume`: paused sandboxes go on. */
export function resumeCommand(finish: (status: number) => void): Command {
  const { min, max } = LIMITS.timeoutSec;
  return new Command("resume")
    .summary("let paused sandboxes go on")
    .argument("<sandboxes...>", "ids or names")
    .option("--timeout <seconds>", "new time without activity before they are paused again", integer(min, max))
    .addOption(dataDirOption())
    .action(async (sandboxes: string[], { dataDir, timeout }: { dataDir: string; timeout?: number }) => {
      const options = timeout === undefined ? {} : { timeoutSec: timeout };
      finish(await forEachSandbox(await runningServer(dataDir), sandboxes, (sandbox) => sandbox.resume(options)));
    });
}

/** `warren rollback`: sandboxes return to their last pause. */
export function rollbackCommand(finish: (status: number) => void): Command {
  return new Command("rollback")
    .summary("return sandboxes to their last pause")
    .description(
      "Gives up what sandboxes did since their last pause: they are paused as they were then, and 'warren resume' lets them go on from there. For a system that has hung, or work that is not wanted.",
    )
    .argument("<sandboxes...>", "ids or names")
    .addOption(dataDirOption())
    .action(async (sandboxes: string[], { dataDir }: { dataDir: string }) => {
      finish(await forEachSandbox(await runningServer(dataDir), sandboxes, (sandbox) => sandbox.rollback()));
    });
}
