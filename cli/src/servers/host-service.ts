import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const NAME = "warren-host.service";
const LAUNCHER = join(import.meta.dirname, "../../../warren");

/** A systemd: where it has the units of its operator, and how it is told something. */
export interface Systemd {
  units: string;
  /** Runs `systemctl` with some words; throws what it says when that fails. */
  control(...words: string[]): void;
}

/** The systemd of this machine; throws where another program, or none, starts its services. */
export function ownSystemd(): Systemd {
  if (!existsSync("/run/systemd/system")) {
    throw new Error(
      "--install-service needs systemd, which does not run here: leave it out, and have your own supervisor run the command.",
    );
  }
  return { units: "/etc/systemd/system", control };
}

/** Has the host of a data directory start with the machine, and now. */
export async function installService(dataDir: string, { units, control }: Systemd): Promise<string> {
  await writeFile(join(units, NAME), hostUnit(dataDir), { mode: 0o644 });
  control("daemon-reload");
  control("enable", NAME);
  // One that runs has the former unit.
  control("restart", NAME);
  return NAME;
}

/** Ends the service of a data directory, where there is one, and removes it; whether there was one. */
export async function removeService(dataDir: string, { units, control }: Systemd): Promise<boolean> {
  const file = join(units, NAME);
  if (!existsSync(file) || (await readFile(file, "utf8")) !== hostUnit(dataDir)) return false;
  control("disable", "--now", NAME);
  await rm(file);
  control("daemon-reload");
  return true;
}

/** The unit of a host that has joined: its control plane and its address are in the data directory. */
export function hostUnit(dataDir: string): string {
  return `[Unit]
Description=Warren host
After=network-online.target
Wants=network-online.target

[Service]
# Settings of the host agent, NAME=VALUE by lines.
EnvironmentFile=-${word(join(dataDir, "host.env"), false)}
ExecStart=${word(LAUNCHER)} host join --data-dir ${word(dataDir)}
# Sandboxes outlive the host agent: only the main process is to be stopped.
KillMode=process
Restart=on-failure
RestartSec=5
TimeoutStopSec=90

[Install]
WantedBy=multi-user.target
`;
}

/** A path as units have it: no specifiers and, among the words of a command, no variables and no spaces that part words. */
function word(path: string, isOfCommand = true): string {
  const plain = path.replaceAll("%", "%%");
  if (!isOfCommand) return plain;
  const escaped = plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("$", "$$$$");
  return /^[\w./:%-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}

function control(...words: string[]): void {
  const { status, stderr, error } = spawnSync("systemctl", words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`systemctl ${words.join(" ")} failed: ${error?.message ?? stderr.trim()}`);
}
