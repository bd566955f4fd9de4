import { existsSync } from "node:fs";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { awaitDirectory, lockDirectory } from "../servers/directory-lock.ts";
import { countSandboxes, describeCounts, endSandboxes } from "../servers/left-sandboxes.ts";
import { announce, findLocalServer } from "../servers/local-server.ts";

/** `warren down`: ends what `warren up` started and left. */
export function downCommand(finish: (status: number) => void): Command {
  return new Command("down")
    .summary("end the server of this machine and all its sandboxes")
    .description(
      "Ends the server that runs on the data directory, if one does, and every sandbox in it, paused ones too, with all " +
        "they held. Accounts, keys and templates stay for the next 'warren up'.",
    )
    .addOption(dataDirOption())
    .action(async ({ dataDir }: { dataDir: string }) => finish(await down(dataDir)));
}

async function down(dataDir: string): Promise<number> {
  if (!existsSync(dataDir)) throw new Error(`There is no data directory ${dataDir}.`);
  const lock = (await lockDirectory(dataDir)) ?? (await stopServer(dataDir));
  try {
    const counts = describeCounts(await countSandboxes(dataDir));
    await endSandboxes(dataDir);
    process.stdout.write(counts === "" ? "No sandboxes were left.\n" : `Ended all sandboxes: ${counts}.\n`);
  } finally {
    lock.release();
  }
  return 0;
}

/** Asks the server of a data directory to end, and takes the directory over when it has. */
async function stopServer(dataDir: string) {
  const server = await findLocalServer(dataDir);
  if (!server) {
    throw new Error(`Another command works on ${dataDir}, or a server that is not ready: try again when it has ended.`);
  }
  await announce(dataDir, { ...server, goingDown: true });
  process.kill(server.pid, "SIGTERM");
  process.stdout.write(`Stopping the server at ${server.url}.\n`);
  return awaitDirectory(dataDir);
}
