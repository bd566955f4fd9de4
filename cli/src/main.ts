import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { adminCommand } from "./commands/admin.ts";
import { attachCommand } from "./commands/attach.ts";
import { buildImagesCommand } from "./commands/build-images.ts";
import { cpCommand } from "./commands/cp.ts";
import { createCommand } from "./commands/create.ts";
import { snapshotCommand } from "./commands/create-template.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { downCommand } from "./commands/down.ts";
import { eventsCommand } from "./commands/events.ts";
import { execCommand } from "./commands/exec.ts";
import { familyCommand } from "./commands/family.ts";
import { filesCommand } from "./commands/files.ts";
import { forkCommand } from "./commands/fork.ts";
import { hostCommand } from "./commands/host.ts";
import { killCommand } from "./commands/kill.ts";
import { metricsCommand } from "./commands/metrics.ts";
import { pauseCommand, resumeCommand, rollbackCommand } from "./commands/pause.ts";
import { psCommand } from "./commands/ps.ts";
import { rmCommand } from "./commands/rm.ts";
import { runCommand } from "./commands/run.ts";
import { templatesCommand } from "./commands/templates.ts";
import { upCommand } from "./commands/up.ts";
import { updateCommand } from "./commands/update.ts";
import { usageCommand } from "./commands/usage.ts";
import { webhookCommand } from "./commands/webhook.ts";
import { BROKEN_PIPE, WARREN_FAILED } from "./streams/exit-status.ts";
import { endBySignal, Interrupted } from "./terminal/interruption.ts";
import { describe, warn } from "./terminal/messages.ts";

const COMMANDS = [
  runCommand,
  upCommand,
  downCommand,
  doctorCommand,
  createCommand,
  psCommand,
  execCommand,
  attachCommand,
  killCommand,
  cpCommand,
  pauseCommand,
  resumeCommand,
  rollbackCommand,
  forkCommand,
  snapshotCommand,
  templatesCommand,
  updateCommand,
  filesCommand,
  familyCommand,
  eventsCommand,
  metricsCommand,
  usageCommand,
  webhookCommand,
  rmCommand,
  hostCommand,
  buildImagesCommand,
  adminCommand,
] as const;

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../package.json"), "utf8"));

const program = new Command("warren")
  .description("Sandboxes for untrusted code: every one a microVM of its own.")
  .version(version, "--version", "print the version")
  .helpOption("-h, --help", "print help")
  .showHelpAfterError("(--help says more)")
  .enablePositionalOptions();
for (const command of COMMANDS) {
  const made = command(finish).helpOption("-h, --help", "print help").showHelpAfterError("(--help says more)");
  program.addCommand(made, { hidden: command === snapshotCommand });
}
// Set on every command, since subcommands that are added do not inherit it.
for (const command of [program, ...program.commands]) command.exitOverride();

// Like any program in a pipe, this one ends quietly when nobody reads its results any more. Commands that hand over the
// output of others write to the descriptor themselves: `process.stdout` would make it non-blocking, for all who share it.
if (!["exec", "run", "attach"].includes(process.argv[2] ?? "")) {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    finish(BROKEN_PIPE);
  });
}
// Progress and logs that nobody reads are no reason to end.
process.stderr.on("error", () => undefined);

try {
  requireText();
  await program.parseAsync();
} catch (error) {
  const [name] = process.argv.slice(2);
  // The exit status of these is the command's own, so that a failure of Warren has one apart.
  const failed = ["run", "exec", "attach"].includes(name ?? "") ? WARREN_FAILED : 1;
  if (error instanceof CommanderError) finish(error.exitCode === 0 ? 0 : failed);
  else if (error instanceof Interrupted) endBySignal(error.by);
  else {
    warn(describe(error));
    finish(failed);
  }
}

/** Throws when an argument is not UTF-8: Node hands over other characters in place of such bytes. */
function requireText(): void {
  if (!process.argv.some((word) => word.includes("\ufffd"))) return;
  if (isUtf8(readFileSync("/proc/self/cmdline"))) return;
  throw new Error("An argument is not UTF-8: names and words in other encodings cannot be passed on.");
}

/** Ends the program: an open standard input or an idle connection would keep it. */
function finish(status: number): void {
  process.exit(status);
}
