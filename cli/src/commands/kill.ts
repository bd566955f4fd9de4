import { SIGNALS, type SignalName } from "@warren/contracts/signals";
import { Command, InvalidArgumentError } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { forEachName } from "../servers/each.ts";
import { findSandbox } from "../servers/find-sandbox.ts";
import { processName } from "./attach.ts";

interface KillOptions {
  dataDir: string;
  signal?: SignalName;
}

/** `warren kill`: ends commands of a sandbox, or sends them a signal. */
export function killCommand(finish: (status: number) => void): Command {
  return new Command("kill")
    .summary("end commands of a sandbox")
    .description(
      "Ends commands and all their processes: by SIGTERM, and what lives 5 s later by SIGKILL. With --signal it sends that, and " +
        "no more. Prints those for which it went well.",
    )
    .argument("<sandbox>", "id or name")
    .argument("<process...>", "process ids or tags of commands", (text, earlier: string[] = []) => [
      ...earlier,
      processName(text),
    ])
    .addOption(dataDirOption())
    .option("-s, --signal <name>", "signal to send, such as SIGHUP", signalName)
    .action(async (name: string, named: string[], { dataDir, signal }: KillOptions) => {
      const { processes } = await findSandbox(await runningServer(dataDir), name);
      finish(
        await forEachName(named, (process) => (signal ? processes.signal(process, signal) : processes.end(process))),
      );
    });
}

/** Parses the name of a signal, as kill(1) takes them. */
function signalName(text: string): SignalName {
  const name = text.toUpperCase().replace(/^(?:SIG)?/, "SIG");
  if (Object.hasOwn(SIGNALS, name)) return name as SignalName;
  throw new InvalidArgumentError(`It must be one of ${Object.keys(SIGNALS).join(", ")}.`);
}
