import { LIMITS } from "@warren/contracts/limits";
import { type Command, Option } from "commander";
import { integer, list, pairs, variable } from "./parse.ts";

/** Options by which a sandbox is made. */
export interface SandboxOptions {
  name?: string;
  metadata?: Record<string, string>;
  template?: string;
  vcpus?: number;
  /** MiB. */
  memory?: number;
  hostTag?: string[];
}

/** Adds the options that say what a new sandbox is. */
export function addSandboxOptions(command: Command): Command {
  const { vcpus, memoryMb } = LIMITS;
  return command
    .option("-n, --name <name>", "name of the sandbox, which serves in place of its id")
    .option("--metadata <key=value>", "text to keep with the sandbox (repeatable)", pairs)
    .option("--template <name>", "template of the sandbox")
    .option("--vcpus <n>", `virtual CPUs, ${vcpus.min} to ${vcpus.max}`, integer(vcpus.min, vcpus.max))
    .option("-m, --memory <MiB>", `memory, ${memoryMb.min} to ${memoryMb.max}`, integer(memoryMb.min, memoryMb.max))
    .option("--host-tag <tag>", "tag that its host must have (repeatable)", list);
}

/** What is asked for of a new sandbox, for the client library. */
export function sandboxAsked({ name, metadata, template, vcpus, memory, hostTag }: SandboxOptions) {
  return {
    ...(name === undefined ? {} : { name }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(template === undefined ? {} : { template }),
    ...(vcpus === undefined ? {} : { vcpus }),
    ...(memory === undefined ? {} : { memoryMb: memory }),
    ...(hostTag === undefined ? {} : { hostTags: hostTag }),
  };
}

/** Options that may change while a sandbox lives. */
export interface SettingsOptions {
  timeout?: number;
  onTimeout?: "pause" | "destroy";
  autoResume?: boolean;
}

/** Adds the options for what happens to a sandbox that nobody uses. */
export function addSettingsOptions(command: Command): Command {
  const { min, max } = LIMITS.timeoutSec;
  return command
    .option("--timeout <seconds>", "time without activity before --on-timeout happens; 0 = never", integer(min, max))
    .addOption(new Option("--on-timeout <what>", "what inactivity leads to").choices(["pause", "destroy"]))
    .option("--auto-resume", "a command or transfer resumes the sandbox when it is paused")
    .option("--no-auto-resume", "a paused sandbox waits for 'warren resume'");
}

/** What is asked for of the settings, for the client library. */
export function settingsAsked({ timeout, onTimeout, autoResume }: SettingsOptions) {
  return {
    ...(timeout === undefined ? {} : { timeoutSec: timeout }),
    ...(onTimeout === undefined ? {} : { onTimeout }),
    ...(autoResume === undefined ? {} : { autoResume }),
  };
}

/** Adds the options for how a command runs. */
export function addCommandOptions(command: Command): Command {
  return command
    .option(
      "-e, --env <key=value>",
      "environment variable; KEY alone passes the one of this shell on (repeatable)",
      variable,
    )
    .option("-w, --cwd <dir>", "working directory in the sandbox")
    .option("-u, --user <name>", "user of the sandbox")
    .option(
      "--timeout <seconds>",
      "end the command after that time; default: never",
      integer(1, LIMITS.execTimeoutSec.max),
    )
    .option("-i, --interactive", "pass standard input on even when it is a terminal")
    .option("-t, --tty", "run the command in a terminal of the sandbox; with -i, this terminal becomes it");
}
