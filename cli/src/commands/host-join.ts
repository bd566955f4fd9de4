import { text } from "node:stream/consumers";
import { makePrivateDirectory } from "@warren/server/private-directory";
import { Command } from "commander";
import { dataDirFlag } from "../arguments/data-dir.ts";
import { listenAddress } from "../arguments/parse.ts";
import { lockDirectory } from "../servers/directory-lock.ts";
import { startHostProcess } from "../servers/host-process.ts";
import { installService, ownSystemd } from "../servers/host-service.ts";
import { type JoinPlan, type JoinWishes, planJoin, tokenAdvice } from "../servers/join-plan.ts";
import { keepJoinedHost, readHostCredentials } from "../servers/joined-host.ts";
import { ServerError } from "../servers/server-process.ts";
import { Interrupted, Interruption } from "../terminal/interruption.ts";
import { logLine } from "../terminal/log-line.ts";
import { warn } from "../terminal/messages.ts";
import { ownCommand } from "../terminal/own-command.ts";
import { ProgressDisplay } from "../terminal/progress.ts";
import { examineHost, presentFinding } from "./doctor.ts";

interface JoinOptions extends Omit<JoinWishes, "firstToken"> {
  installService?: boolean;
  json?: boolean;
}

/** `warren host join`: this machine as a host of a control plane elsewhere, in the foreground. */
export function joinHostCommand(finish: (status: number) => void): Command {
  return new Command("join")
    .summary("make this machine a host of a control plane on another one")
    .description(
      "Installs what this machine lacks, registers it with a control plane, and runs its host agent in the foreground until " +
        "SIGINT or SIGTERM. Sandboxes go on running when it stops, and the next start finds them. A machine that has joined " +
        "starts again without any option but the data directory's.",
    )
    .option("--control-plane <url>", "where the control plane is: https://HOST, or http at an address of this machine")
    .option(
      "--token <token>",
      "registration token; - reads it from standard input. WARREN_HOST_TOKEN has it as well, and other users do not see it there",
    )
    .option(
      "--listen <host:port>",
      "where the host agent listens; all addresses at the port of --address when absent",
      listenAddress,
    )
    .option(
      "--address <host:port>",
      "where the control plane reaches it; port 7443 at the address that leads there when absent",
      listenAddress,
    )
    .option(
      "--ca-file <file>",
      "PEM of the authority that the control plane's certificate is signed by, where it is none that is known everywhere",
    )
    .option("--install-service", "have systemd run the host from now on, rather than this command")
    .option(
      "--json",
      "print one line of JSON when ready: host_id, control_plane, address, notes; logs are JSON on a terminal too",
    )
    .action(async (options: JoinOptions) => finish(await join(options)));
}

async function join({ installService: asService = false, json = false, ...wishes }: JoinOptions): Promise<number> {
  // What this process was started with is for all to see; the token is not from here on.
  process.title = "warren host join";
  const { dataDir } = wishes;
  const systemd = asService ? ownSystemd() : undefined;
  const interruption = new Interruption();
  await makePrivateDirectory(dataDir);
  const lock = await lockDirectory(dataDir);
  if (!lock)
    throw new Error(
      `Another command runs on the data directory ${dataDir}: stop it, or name another directory with --data-dir.`,
    );
  const plan = await planJoin({
    ...wishes,
    token: await readToken(wishes.token),
    firstToken: process.env.WARREN_HOST_TOKEN,
  });
  if (plan.token !== undefined) await requireFitMachine(dataDir);
  const people = !json && process.stderr.isTTY === true;
  const progress = new ProgressDisplay();
  const agent = await startHostProcess({
    ...{ dataDir, lock, ...plan },
    onProgress: progress.show,
    onLog: (line) => {
      progress.done();
      process.stderr.write(`${people ? logLine("host agent", line) : line}\n`);
    },
  });
  try {
    await Promise.race([agent.ready(), whenInterrupted(interruption.signal)]);
    progress.done();
    await keepJoinedHost(dataDir, plan.joined, wishes.caFile);
    await printReady(dataDir, plan, agent.notes, json);
    const died = systemd ? undefined : await Promise.race([agent.exited, ended(interruption.signal)]);
    if (died) return await explainEnd(dataDir, died);
  } catch (error) {
    progress.done();
    if (error instanceof Interrupted) return 0;
    if (plan.token === undefined && error instanceof ServerError) return await explainEnd(dataDir, error);
    throw explained(error, plan);
  } finally {
    await agent.stop();
    lock.release();
  }
  if (systemd)
    process.stdout.write(
      `${await installService(dataDir, systemd)} runs the host from now on, and starts with the machine.\n`,
    );
  return 0;
}

/** The registration token that an option names. */
async function readToken(option: string | undefined): Promise<string | undefined> {
  const token = (option === "-" ? await text(process.stdin) : option)?.trim();
  if (token === "") throw new Error("--token is empty: standard input has no registration token.");
  return token;
}

/** Says what a new host lacks, and throws when no sandbox could run on it. */
async function requireFitMachine(dataDir: string): Promise<void> {
  const isFit = await examineHost(dataDir, (finding) => {
    if (finding.status !== "ok") process.stderr.write(`${presentFinding(finding)}\n`);
  });
  if (!isFit) throw new Error("No sandbox can run on this machine, see above: it has not joined.");
}

async function printReady(dataDir: string, plan: JoinPlan, notes: readonly string[], json: boolean): Promise<void> {
  const { hostId = "", controlPlaneUrl = "" } = (await readHostCredentials(dataDir)) ?? {};
  const { address } = plan.joined;
  if (json) {
    process.stdout.write(`${JSON.stringify({ host_id: hostId, control_plane: controlPlaneUrl, address, notes })}\n`);
    return;
  }
  const lines = [
    `This machine is ${hostId}, a host of ${controlPlaneUrl}, to be reached at ${address}.`,
    `'${ownCommand()} host join${dataDirFlag(dataDir)}' starts it again, and needs no token.`,
    ...notes,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** What to do about a host agent that has ended by itself. */
async function explainEnd(dataDir: string, died: ServerError): Promise<number> {
  if (await readHostCredentials(dataDir)) throw died;
  warn(
    `The control plane has deleted this host. '${ownCommand()} host leave${dataDirFlag(dataDir)}' ends what is left of it here.`,
  );
  return 0;
}

/** The failure of a start, with what to do about it. */
function explained(error: unknown, { controlPlane, token }: JoinPlan): unknown {
  if (!(error instanceof ServerError) || error.code !== "unauthorized" || token === undefined) return error;
  return new ServerError(
    `The control plane at ${controlPlane.url} does not take this registration token: it works once and for an hour, and there alone. ${tokenAdvice()}`,
  );
}

function whenInterrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

async function ended(signal: AbortSignal): Promise<undefined> {
  await whenInterrupted(signal).catch(() => undefined);
}
