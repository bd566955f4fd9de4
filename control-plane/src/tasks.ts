import { parseArgs } from "node:util";
import { WarrenError } from "@warren/contracts/errors";
import { keepFilesPrivate } from "@warren/server/private-directory";
import { endRequested, StartReport } from "@warren/server/supervision";
import { readVersion } from "@warren/server/version";
import { backUp } from "./backup/back-up.ts";
import { restore } from "./backup/restore.ts";
import type { Task } from "./backup/task.ts";
import { upgradeDatabase } from "./backup/upgrade.ts";
import { parseConfig, readEnvironment, readReadyFd } from "./config.ts";
import { toCatalogueError } from "./http/errors/catalogue-error.ts";
import { createLogger } from "./logging.ts";

/** Tasks by the words that name them (docs/processes.md). */
const TASKS = new Map<string, (task: Task, file: string, options: { force: boolean }) => Promise<object>>([
  ["backup", backUp],
  ["restore", (task, file) => restore(task, file)],
  ["upgrade-database", (task) => upgradeDatabase(task)],
]);

/** Does one thing with the settings of a server, in place of running it, and ends the process. Its log is on standard error. */
export async function runTask(name: string, words: string[]): Promise<void> {
  keepFilesPrivate();
  let report = new StartReport(undefined);
  let log = createLogger("info", process.stderr);
  try {
    const environment = readEnvironment(process.cwd(), process.env);
    report = new StartReport(readReadyFd(environment));
    const config = parseConfig(environment);
    log = createLogger(config.logLevel, process.stderr);
    const run = TASKS.get(name);
    if (!run) throw new WarrenError("invalid_request", `there is no task ${name}`);
    const { positionals, values } = parseArgs({
      args: words,
      allowPositionals: true,
      options: { force: { type: "boolean", default: false } },
    });
    const ending = new AbortController();
    void endRequested(config).then((reason) => ending.abort(new WarrenError("server_stopping", `ended by ${reason}`)));
    const progress: Task["progress"] = (step, detail, fraction) => report.progress(step, detail, fraction);
    const task = { config, version: readVersion(), log, progress, signal: ending.signal };
    report.done(await run(task, positionals[0] ?? "", values));
    process.exitCode = 0;
  } catch (error) {
    log.error({ err: error }, "the task failed");
    // What is in nobody's catalogue is told as it is: the operator is who reads it.
    const known = toCatalogueError(error);
    report.failed(known.code === "internal_error" ? error : known);
    process.exitCode = 1;
  }
  process.exit();
}
