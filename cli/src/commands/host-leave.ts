import { existsSync } from "node:fs";
import { Command } from "commander";
import { dataDirFlag } from "../arguments/data-dir.ts";
import { lockDirectory } from "../servers/directory-lock.ts";
import { ownSystemd, removeService } from "../servers/host-service.ts";
import { forgetJoinedHost, hasControlPlane, readHostCredentials, readJoinedHost } from "../servers/joined-host.ts";
import { countSandboxes, describeCounts, endSandboxes } from "../servers/left-sandboxes.ts";
import { ownCommand } from "../terminal/own-command.ts";

/** `warren host leave`: the machine is a host no more. */
export function leaveHostCommand(finish: (status: number) => void): Command {
  return new Command("leave")
    .summary("have this machine be a host of its control plane no more")
    .description(
      "Ends what is left of sandboxes in the data directory, removes the credentials of the host, and its service where " +
        "'host join' has installed one. The control plane is not told: delete the host there, before or after.",
    )
    .option("--force", "also when sandboxes are left, with all they hold")
    .action(async ({ dataDir, force }: { dataDir: string; force?: boolean }) => finish(await leave(dataDir, force)));
}

/** `warren host status`: what this machine is as a host. */
export function hostStatusCommand(finish: (status: number) => void): Command {
  return new Command("status")
    .summary("say which host this machine is, and what is on it")
    .description("Exit status 1 when the machine is no host, 3 when it is one whose host agent does not run.")
    .action(async ({ dataDir }: { dataDir: string }) => finish(await status(dataDir)));
}

async function leave(dataDir: string, force = false): Promise<number> {
  const { credentials, joined } = await find(dataDir);
  if (!credentials && !joined)
    throw new Error(`${dataDir} is not the data directory of a host: there is nothing to leave.`);
  const left = () => countSandboxes(dataDir).then(describeCounts);
  const found = await left();
  if (found !== "" && !force) {
    throw new Error(
      `Sandboxes are left: ${found}. Drain and delete the host at its control plane first; --force ends them here.`,
    );
  }
  if (existsSync("/run/systemd/system")) await removeService(dataDir, ownSystemd());
  const lock = await lockDirectory(dataDir);
  if (!lock) throw new Error(`The host agent runs on ${dataDir}: end the command that runs it first.`);
  try {
    await endSandboxes(dataDir);
    await forgetJoinedHost(dataDir);
  } finally {
    lock.release();
  }
  const [ended, id] = [found === "" ? "" : ` Ended all sandboxes: ${found}.`, credentials?.hostId ?? "the host"];
  process.stdout.write(
    `This machine is a host no more.${ended} The control plane may still have ${id}: delete it there.\n`,
  );
  return 0;
}

async function status(dataDir: string): Promise<number> {
  const { credentials, joined } = await find(dataDir);
  if (!credentials) {
    process.stdout.write(`This machine is no host, as far as ${dataDir} tells.\n`);
    return 1;
  }
  const lock = await lockDirectory(dataDir);
  lock?.release();
  const counts = describeCounts(await countSandboxes(dataDir));
  const lines = [
    `host           ${credentials.hostId}`,
    `control plane  ${credentials.controlPlaneUrl}`,
    ...(joined ? [`reached at     ${joined.address}`, `listens at     ${joined.listen}`] : []),
    `sandboxes      ${counts || "none"}`,
    `host agent     ${lock ? `does not run: '${ownCommand()} host join${dataDirFlag(dataDir)}' starts it` : "runs"}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return lock ? 3 : 0;
}

async function find(dataDir: string) {
  if (!existsSync(dataDir)) return {};
  if (hasControlPlane(dataDir)) {
    throw new Error(
      `${dataDir} is the data directory of a control plane with its own host: '${ownCommand()} down' is for that.`,
    );
  }
  return { credentials: await readHostCredentials(dataDir), joined: await readJoinedHost(dataDir) };
}
