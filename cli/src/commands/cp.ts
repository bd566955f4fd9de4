import { SANDBOX_ID, SANDBOX_NAME } from "@warren/contracts/identifiers";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";
import { Interruption } from "../terminal/interruption.ts";
import { checkReadable, checkWritable, downloadFile, uploadFile } from "../transfer.ts";

/** `warren cp`: a file into or out of a sandbox that runs. */
export function cpCommand(finish: (status: number) => void): Command {
  return new Command("cp")
    .summary("copy a file into or out of a running sandbox")
    .usage("[options] LOCAL SANDBOX:GUEST | SANDBOX:GUEST LOCAL")
    .argument("<from>", "file to copy: a local path, or SANDBOX:PATH in a sandbox")
    .argument("<to>", "where to: SANDBOX:PATH in a sandbox, or a local path")
    .option("-u, --user <name>", "user of the sandbox who owns the copy there")
    .addOption(dataDirOption())
    .action(async (from: string, to: string, { dataDir, ...options }: { dataDir: string; user?: string }) => {
      const { signal } = new Interruption();
      const [source, target] = [parseRemote(from), parseRemote(to)];
      const remote = source ?? target;
      if (!remote || (source && target))
        throw new Error("One of the two must be SANDBOX:PATH of a sandbox, the other a local path.");
      const local = source ? to : from;
      await (source ? checkWritable(local) : checkReadable(local));
      const sandbox = await findSandbox(await runningServer(dataDir), remote.sandbox, signal);
      const copy = source ? downloadFile : uploadFile;
      await copy(sandbox, { local, guest: remote.path }, { ...options, signal });
      finish(0);
    });
}

/** Parts of SANDBOX:PATH; undefined for a local path. A local file with such a name can be written as ./NAME. */
function parseRemote(text: string): { sandbox: string; path: string } | undefined {
  const colon = text.indexOf(":");
  const [sandbox, path] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
  return (SANDBOX_ID.test(sandbox) || SANDBOX_NAME.test(sandbox)) && path !== "" ? { sandbox, path } : undefined;
}
