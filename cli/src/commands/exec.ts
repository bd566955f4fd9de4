import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { integer, variable } from "../arguments/parse.ts";
import { runningServer } from "../servers/connection.ts";
import { type AttachedOptions, runAttached } from "../streams/run-attached.ts";
import { Interruption } from "../terminal/interruption.ts";

type ExecOptions = Omit<AttachedOptions, "signal"> & { dataDir: string };

/** `warren exec`: one more command in a sandbox that runs. */
export function execCommand(finish: (status: number) => void): Command {
  return new Command("exec")
    .summary("run a command in a running sandbox")
    .description("Runs a command in a sandbox that runs already. Streams and exit status are those of 'warren run'.")
    .usage("[options] ID -- COMMAND [ARGUMENT...]")
    .argument("<id>", "sandbox id")
    .argument("<command...>", "program of the sandbox and its arguments")
    .option(
      "-e, --env <key=value>",
      "environment variable; KEY alone passes the one of this shell on (repeatable)",
      variable,
    )
    .option("-w, --cwd <dir>", "working directory in the sandbox")
    .option("-u, --user <name>", "user of the sandbox")
    .option("--timeout <seconds>", "kill the command after that time", integer(1, 30 * 24 * 3600))
    .option("-i, --interactive", "pass standard input on even when it is a terminal")
    .addOption(dataDirOption())
    .passThroughOptions()
    .action(async (id: string, words: string[], { dataDir, ...options }: ExecOptions) => {
      // Everything after the id is the command's, the mark that says so included.
      const [command, ...args] = words[0] === "--" ? words.slice(1) : words;
      if (command === undefined) throw new Error("A command must follow the id of the sandbox.");
      const { signal } = new Interruption();
      const warren = await runningServer(dataDir);
      const sandbox = await warren.sandboxes.get(id, signal);
      finish(await runAttached(sandbox, command, args, { ...options, signal }));
    });
}
