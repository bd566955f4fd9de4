import { keepFilesPrivate } from "@warren/server/private-directory";
import { endRequested, StartReport } from "@warren/server/supervision";
import { parseConfig, readEnvironment, readReadyFd } from "./config.ts";
import { takeDataDirectory } from "./database/data-directory.ts";
import { toCatalogueError } from "./http/errors/catalogue-error.ts";
import { createLogger } from "./logging.ts";

/** Runs until a signal, or the end of standard input, asks it to stop. */
async function run(): Promise<void> {
  keepFilesPrivate();
  let report = new StartReport(undefined);
  let log = createLogger("info");
  try {
    const environment = readEnvironment(process.cwd(), process.env);
    report = new StartReport(readReadyFd(environment));
    const config = parseConfig(environment);
    log = createLogger(config.logLevel);
    const directory = takeDataDirectory(config, log);
    // Whoever waits for it below takes the error.
    directory.catch(() => undefined);
    const { startControlPlane } = await import("./control-plane.ts");
    const controlPlane = await startControlPlane(config, log, directory);
    void endRequested(config).then(async (reason) => {
      log.info({ reason }, "stopping");
      await controlPlane.close();
      process.exit(0);
    });
    report.ready(controlPlane.url);
  } catch (error) {
    const reason = toCatalogueError(error);
    log.fatal({ err: error, code: reason.code }, "cannot start");
    report.failed(reason);
    process.exitCode = 1;
  }
}

if (import.meta.main) {
  const [task, ...words] = process.argv.slice(2);
  if (task === undefined) await run();
  else await (await import("./tasks.ts")).runTask(task, words);
}
