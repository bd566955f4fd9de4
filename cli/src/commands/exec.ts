import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { addCommandOptions } from "../arguments/sandbox-options.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";
import { type AttachedOptions, commandAsked, runAttached } from "../streams/run-attached.ts";
import { Interruption } from "../terminal/interruption.ts";

type ExecOptions = Omit<AttachedOptions, "signal"> & { dataDir: string; background?: boolean };

/** `warren exec`: one more command in a sandbox that runs. */
export function execCommand(finish: (status: number) => void): Command {
  return addExecOptions(new Command("exec"))
    .summary("run a command in a running sandbox")
    .description(
      "Runs a command in a sandbox that runs already. Streams and exit status are those of 'warren run'. In the background it runs " +
        "on by itself, and its process id is printed at once: 'warren attach' joins it, 'warren kill' ends it.",
    )
    .usage("[options] SANDBOX [options] -- COMMAND [ARGUMENT...]")
    .argument("<sandbox>", "id or name")
    .argument("<command...>", "program of the sandbox and its arguments")
    .action(async (name: string, words: string[], _options: ExecOptions, before: Command) => {
      const { command, args, options } = parseAfterSandbox(before, words);
      const { dataDir, background, ...attached } = options;
      if (background && attached.interactive) {
        throw new Error(
          "-i and --background exclude each other: 'warren attach' passes input on to a command with -t.",
        );
      }
      const { signal } = new Interruption();
      const sandbox = await findSandbox(await runningServer(dataDir), name, signal);
      if (background) {
        const { pid } = await sandbox.processes.start(command, args, commandAsked({ ...attached, signal }));
        process.stdout.write(`${pid}\n`);
        finish(0);
        return;
      }
      finish(await runAttached(sandbox, command, args, { ...attached, signal }));
    });
}

/**
 * Parses what follows the sandbox: more options, up to the command or the mark `--` before it. What comes after is the
 * command's own, options included.
 */
export function parseAfterSandbox(before: Command, words: string[]) {
  const after = addExecOptions(new Command("exec")).argument(
    "<command...>",
    "program of the sandbox and its arguments",
  );
  after.copyInheritedSettings(before).helpOption("-h, --help", "print help");
  for (const [option, value] of Object.entries(before.opts())) {
    after.setOptionValueWithSource(option, value, before.getOptionValueSource(option) ?? "default");
  }
  after.parse(words, { from: "user" });
  const [command = "", ...args] = after.args;
  return { command, args, options: after.opts<ExecOptions>() };
}

function addExecOptions(command: Command): Command {
  return addCommandOptions(command)
    .option("--background", "let the command run on by itself, and print its process id")
    .option("--tag <name>", "name by which 'warren attach' and 'warren kill' find the command")
    .addOption(dataDirOption())
    .passThroughOptions();
}
