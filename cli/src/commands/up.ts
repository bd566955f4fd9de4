import { once } from "node:events";
import { createServer } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import { makePrivateDirectory } from "@warren/server/private-directory";
import { Command } from "commander";
import { cacheDirOf, dataDirFlag, dataDirOption, imagesDirOf } from "../arguments/data-dir.ts";
import { listenAddress } from "../arguments/parse.ts";
import { DASHBOARD_DIR } from "../dashboard/build-dashboard.ts";
import { preparePages } from "../dashboard/prepare-pages.ts";
import { lockDirectory } from "../servers/directory-lock.ts";
import { countSandboxes, describeCounts } from "../servers/left-sandboxes.ts";
import { announce, findLocalServer, withdraw } from "../servers/local-server.ts";
import { Operator } from "../servers/operator.ts";
import { Stack } from "../servers/stack.ts";
import { Interrupted, Interruption } from "../terminal/interruption.ts";
import { logLine } from "../terminal/log-line.ts";
import { ownCommand } from "../terminal/own-command.ts";
import { ProgressDisplay } from "../terminal/progress.ts";

interface UpOptions {
  dataDir: string;
  listen: string;
  json?: boolean;
}

/** `warren up`: control plane and host agent in the foreground. */
export function upCommand(finish: (status: number) => void): Command {
  return new Command("up")
    .summary("run a server on this machine")
    .description(
      "Runs the control plane and the host agent of this machine in the foreground, until SIGINT or SIGTERM. Sandboxes " +
        "go on running when the server stops, and the next start finds them. Logs go to standard error: for people on a " +
        "terminal, as JSON elsewhere.",
    )
    .addOption(dataDirOption())
    .option("--listen <host:port>", "address of the API; port 0 takes a free one", listenAddress, "127.0.0.1:3000")
    .option(
      "--json",
      "print one line of JSON when ready: url, api_key, docs_url, setup_url, notes; logs are JSON on a terminal too",
    )
    .action(async (options: UpOptions) => finish(await up(options)));
}

async function up({ dataDir, listen, json = false }: UpOptions): Promise<number> {
  const interruption = new Interruption();
  await makePrivateDirectory(dataDir);
  const lock = (await lockDirectory(dataDir)) ?? (await refuse(dataDir));
  await requireFree(listen);
  // Programs that read the log get it as it is written.
  const people = !json && process.stderr.isTTY === true;
  const progress = new ProgressDisplay();
  const giveUpPages = preparePages((text) => {
    progress.done();
    // Among lines of JSON it is one too, as those of the servers (pino's level of information).
    const line = people ? `warren: ${text}` : JSON.stringify({ level: 30, time: Date.now(), msg: text });
    process.stderr.write(`${line}\n`);
  });
  let stack: Stack;
  try {
    stack = await Stack.start({
      directory: dataDir,
      imagesDir: imagesDirOf(dataDir),
      cacheDir: cacheDirOf(dataDir),
      lock,
      listen,
      ephemeral: false,
      dashboardDir: DASHBOARD_DIR,
      onProgress: progress.show,
      onLog: (server, line) => {
        progress.done();
        process.stderr.write(`${people ? logLine(server, line) : line}\n`);
      },
      signal: interruption.signal,
    });
  } catch (error) {
    progress.done();
    giveUpPages();
    // A start that the user gave up is not a failure.
    if (error instanceof Interrupted && error.by !== "SIGHUP") return 0;
    throw error;
  }
  progress.done();
  let goingDown = false;
  try {
    await announce(dataDir, { url: stack.url, pid: process.pid });
    printReady(stack, json, dataDir, await findSetupUrl(dataDir));
    const died = await Promise.race([stack.failed, whenAborted(interruption.signal)]);
    if (died) throw died;
  } finally {
    goingDown = await findLocalServer(dataDir).then(
      (announced) => announced?.goingDown ?? false,
      () => false,
    );
    await withdraw(dataDir);
    giveUpPages();
    await stack.stop();
  }
  if (goingDown) return 0;
  const left = describeCounts(await countSandboxes(dataDir));
  if (left !== "") {
    const [warren, flag] = [ownCommand(), dataDirFlag(dataDir)];
    process.stderr.write(
      `warren: sandboxes stay without their server: ${left}. '${warren} up${flag}' serves them again, '${warren} down${flag}' ends them.\n`,
    );
  }
  return 0;
}

/** Throws when nobody can listen there, before anything is prepared for a server. */
async function requireFree(listen: string): Promise<void> {
  const colon = listen.lastIndexOf(":");
  const host = listen.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  const probe = createServer();
  try {
    probe.listen({ host, port: Number(listen.slice(colon + 1)), exclusive: true });
    await once(probe, "listening");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === "EADDRINUSE" ? "it is in use" : message;
    throw new Error(`The server cannot listen at ${listen}: ${reason}. Choose another address with --listen.`);
  } finally {
    probe.close();
  }
}

async function refuse(dataDir: string): Promise<never> {
  const server = await findLocalServer(dataDir);
  const which = server ? ` at ${server.url} (process ${server.pid})` : "";
  throw new Error(
    `Another Warren server${which} runs on the data directory ${dataDir}: use that one, stop it, or choose another directory with --data-dir.`,
  );
}

/** A link to the page that makes the first account, while nobody administers the server. */
async function findSetupUrl(dataDir: string): Promise<string | null> {
  try {
    return (await new Operator(dataDir).setupLink()).url;
  } catch (error) {
    if (error instanceof WarrenError && error.code === "conflict") return null;
    // The server runs all the same, and `warren admin link` says the reason again.
    process.stderr.write(`warren: there is no link to the first account: ${(error as Error).message}\n`);
    return null;
  }
}

function printReady({ url, knownApiKey, notes }: Stack, json: boolean, dataDir: string, setupUrl: string | null): void {
  const ready = { url, api_key: knownApiKey ?? null, docs_url: `${url}/docs`, setup_url: setupUrl, notes };
  process.stdout.write(json ? `${JSON.stringify(ready)}\n` : describeReady(ready, dataDir));
}

/** What people are told once the server is ready: how to use it, with and without accounts. `warren`: how the command is typed. */
export function describeReady(
  ready: { url: string; api_key: string | null; docs_url: string; setup_url: string | null; notes?: string[] },
  dataDir: string,
  warren = ownCommand(),
): string {
  const firstAccount = [
    "To make the first account, open this link, which works once and for a day:",
    `  ${ready.setup_url}`,
    `'${warren} admin link${dataDirFlag(dataDir)}' prints another, and docs/accounts.md has other ways.`,
    "",
  ];
  return [
    "Warren is ready.",
    `  pages    ${ready.url}/`,
    `  API      ${ready.url}`,
    `  docs     ${ready.docs_url}`,
    `  API key  ${ready.api_key ?? "not here: the database came without credentials.json of its server"}`,
    "",
    "In another shell:",
    `  export WARREN_URL=${ready.url} WARREN_API_KEY=${ready.api_key ?? "warren_…"}`,
    `  ${warren} run -- uname -a`,
    "",
    ...(ready.setup_url === null ? [] : firstAccount),
    ...(ready.notes ?? []).flatMap((note) => [note, ""]),
  ].join("\n");
}

function whenAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
