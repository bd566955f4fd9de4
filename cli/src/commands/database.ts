import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { FileLock } from "@warren/server/file-lock";
import { makePrivateDirectory } from "@warren/server/private-directory";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runControlPlaneTask } from "../servers/control-plane-task.ts";
import { lockDirectory } from "../servers/directory-lock.ts";
import { findLocalServer } from "../servers/local-server.ts";
import { Interruption } from "../terminal/interruption.ts";
import { warn } from "../terminal/messages.ts";
import { ProgressDisplay } from "../terminal/progress.ts";

type Finish = (status: number) => void;

/** `warren admin backup`. */
export function backupCommand(finish: Finish): Command {
  return new Command("backup")
    .summary("write the database to a file")
    .description(
      "Writes what stands in the database at one moment to a file for this user alone, whether a server runs or not. It " +
        "is made of SQL's own text, in an archive of tar, compressed with gzip. The file - is standard output.",
    )
    .argument("<file>")
    .option("--force", "replace the file if it is there")
    .action(async (file: string, { dataDir, force }: { dataDir: string; force?: boolean }) => {
      const prints = file === "-";
      if (prints && process.stdout.isTTY) throw new Error("A backup is nothing for a terminal: name a file.");
      const words = ["backup", ...(force ? ["--force"] : []), "--", prints ? file : resolve(file)];
      const done = await runTask<BackedUp>(words, { dataDir, prints });
      if (done.left_out.length > 0) {
        warn(`These tables of the database are not Warren's, and not in the backup: ${done.left_out.join(", ")}.`);
      }
      warn(
        `The database is in ${prints ? "the backup" : file}: ${done.tables} tables, ${sizeOf(done.bytes)}. Keep secret.key and ` +
          `credentials.json of ${dataDir} as well, apart from it. What sandboxes and templates have on their hosts is not in it.`,
      );
      finish(0);
    });
}

/** `warren admin restore`. */
export function restoreCommand(finish: Finish): Command {
  return new Command("restore")
    .summary("bring the database to what a backup holds")
    .description(
      "Checks a whole backup and then puts what it holds in the place of the database, which is kept beside it. No server " +
        "may run. With DATABASE_URL the database must be empty.",
    )
    .argument("<file>")
    .action(async (file: string, { dataDir }: { dataDir: string }) => {
      await makePrivateDirectory(dataDir);
      const lock = await lockOrRefuse(dataDir);
      const done = await runTask<Restored>(["restore", "--", resolve(file)], { dataDir, lock });
      warn(`The database is what it was on ${done.created_at} (${done.rows} rows, Warren ${done.warren}).`);
      if (done.kept !== null) warn(`The one before it is kept in ${done.kept}: remove it when it is needed no more.`);
      if (done.secret_key_missing_in !== null) {
        warn(
          `Its secrets are sealed with a key that ${done.secret_key_missing_in} has not: put the secret.key of that time ` +
            "there, else the server does not start.",
        );
      }
      warn(
        "When the server starts, sandboxes on its hosts that this database does not know, or knows to have ended, are " +
          "destroyed, and those that it knows and that are gone are stopped.",
      );
      finish(0);
    });
}

/** `warren admin database`. */
export function databaseCommand(finish: Finish): Command {
  const upgrade = new Command("upgrade")
    .summary("bring the database to the PostgreSQL of this version")
    .description(
      "Brings the embedded database to the version of PostgreSQL that this Warren has, and keeps the one before it beside " +
        "it. No server may run. Needs the programs of the former version, which Warren keeps or Debian's package has.",
    )
    .addOption(dataDirOption())
    .exitOverride()
    .helpOption("-h, --help", "print help")
    .showHelpAfterError("(--help says more)")
    .action(async ({ dataDir }: { dataDir: string }) => {
      if (!existsSync(dataDir)) throw new Error(`There is no data directory ${dataDir}.`);
      const lock = await lockOrRefuse(dataDir);
      const done = await runTask<Upgraded>(["upgrade-database"], { dataDir, lock });
      if (done.from === null) warn(`There is no database in ${dataDir} yet: nothing is to be done.`);
      else if (done.kept === null) warn(`The database is of PostgreSQL ${done.to} already: nothing is to be done.`);
      else {
        warn(`The database went from PostgreSQL ${done.from} to ${done.to} (${done.rows} rows).`);
        warn(`The one before is kept in ${done.kept}: remove it when it is needed no more.`);
      }
      finish(0);
    });
  return new Command("database").summary("maintain the embedded database").addCommand(upgrade);
}

/** What the tasks come to (docs/processes.md). */
interface BackedUp {
  bytes: number;
  tables: number;
  left_out: string[];
}
interface Restored {
  created_at: string;
  warren: string;
  rows: number;
  kept: string | null;
  secret_key_missing_in: string | null;
}
interface Upgraded {
  from: number | null;
  to: number;
  rows: number;
  kept: string | null;
}

async function runTask<T>(
  words: string[],
  options: { dataDir: string; lock?: FileLock; prints?: boolean },
): Promise<T> {
  const { signal } = new Interruption();
  const progress = new ProgressDisplay();
  try {
    return await runControlPlaneTask<T>(words, { ...options, onProgress: progress.show, signal });
  } finally {
    progress.done();
  }
}

/** The lock of a data directory, without which nobody may change its database. */
async function lockOrRefuse(dataDir: string): Promise<FileLock> {
  const lock = await lockDirectory(dataDir);
  if (lock) return lock;
  const server = await findLocalServer(dataDir);
  const which = server ? `A Warren server at ${server.url} (process ${server.pid}) runs` : "Another command works";
  throw new Error(`${which} on the data directory ${dataDir}: stop it first. Its sandboxes go on running.`);
}

function sizeOf(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB"];
  const unit = Math.min(Math.trunc(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${unit === 0 ? bytes : (bytes / 1000 ** unit).toFixed(1)} ${units[unit]}`;
}
