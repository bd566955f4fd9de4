import { stat } from "node:fs/promises";
import type { Sandbox } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import type { FilePair } from "../arguments/parse.ts";
import { parseRemote } from "../arguments/remote.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";
import { Interruption } from "../terminal/interruption.ts";
import { checkReadable, checkWritable, downloadFile, type TransferOptions, uploadFile } from "../transfer.ts";
import { downloadTree, uploadTree } from "../tree/copy-tree.ts";

/** `warren cp`: a file or a directory into or out of a sandbox that runs. */
export function cpCommand(finish: (status: number) => void): Command {
  return new Command("cp")
    .summary("copy a file or a directory into or out of a running sandbox")
    .usage("[options] LOCAL SANDBOX:GUEST | SANDBOX:GUEST LOCAL")
    .argument("<from>", "what to copy: a local path, or SANDBOX:PATH in a sandbox, from the user's home on")
    .argument("<to>", "where to: SANDBOX:PATH in a sandbox, or a local path")
    .option("-u, --user <name>", "user of the sandbox whose rights are used there")
    .addOption(dataDirOption())
    .action(async (from: string, to: string, { dataDir, ...options }: { dataDir: string; user?: string }) => {
      const { signal } = new Interruption();
      const [source, target] = [parseRemote(from), parseRemote(to)];
      const remote = source ?? target;
      if (!remote || (source && target))
        throw new Error("One of the two must be SANDBOX:PATH of a sandbox, the other a local path.");
      const local = source ? to : from;
      const directory = !source && (await stat(local).catch(() => undefined))?.isDirectory();
      if (!directory) await (source ? checkWritable(local) : checkReadable(local));
      const sandbox = await findSandbox(await runningServer(dataDir), remote.sandbox, signal);
      const copy = source ? download : directory ? uploadTree : uploadFile;
      await copy(sandbox, { local, guest: remote.path }, { ...options, signal });
      finish(0);
    });
}

/** Copies what is at a path of a sandbox here, be it a file or a directory. */
async function download(sandbox: Sandbox, pair: FilePair, options: TransferOptions): Promise<void> {
  const { type } = await sandbox.files.stat(pair.guest.endsWith("/") ? `${pair.guest}.` : pair.guest, options);
  await (type === "directory" ? downloadTree : downloadFile)(sandbox, pair, options);
}
