import { PROCESS_SELECTOR } from "@warren/contracts/identifiers";
import { Command, InvalidArgumentError } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";
import { joinProcess } from "../streams/join-process.ts";
import { Interruption } from "../terminal/interruption.ts";

interface AttachOptions {
  dataDir: string;
  interactive?: boolean;
  new?: boolean;
}

/** `warren attach`: the streams of a command that runs already. */
export function attachCommand(finish: (status: number) => void): Command {
  return new Command("attach")
    .summary("join a command that runs in a sandbox")
    .description(
      "Joins a command: with what is kept of its output, then with what comes, until it ends; the exit status is the command's " +
        "own. It attaches again by itself when the connection breaks. On a terminal, ^P ^Q leaves a command that has a terminal, " +
        "and ^C any other, which goes on.",
    )
    .argument("<sandbox>", "id or name")
    .argument("<process>", "process id or tag of the command", processName)
    .addOption(dataDirOption())
    .option("-i, --interactive", "pass standard input on even when it is no terminal")
    .option("--new", "only the output that comes from now on")
    .action(async (name: string, process: string, { dataDir, interactive = false, new: onlyNew }: AttachOptions) => {
      const { signal } = new Interruption();
      const sandbox = await findSandbox(await runningServer(dataDir), name, signal);
      const from = onlyNew ? {} : { from: 0 };
      const joined = await sandbox.processes.attach(process, { ...from, reattach: true, signal });
      finish(await joinProcess(joined, interactive));
    });
}

/** Parses a process id or a tag. */
export function processName(text: string): string {
  if (PROCESS_SELECTOR.test(text)) return text;
  throw new InvalidArgumentError("It must be a process id or a tag.");
}
