import { setTimeout } from "node:timers/promises";
import { WarrenError } from "@warren/contracts/errors";
import type { Progress } from "./images.ts";
import type { RunTool } from "./tool.ts";

const HINT = "Check that this machine reaches its package archive: apt-get update";

/** How long another apt-get may hold the package lists: 150 attempts, 2 s apart. */
const ATTEMPTS = 150;
const PAUSE_MS = 2000;

/** Fields of a package by their names, such as Version. */
type PackageFields = Map<string, string>;

/** Finds and downloads packages with the host's own apt: its archives, keys and proxies. */
export class Apt {
  readonly #runTool: RunTool;
  readonly #progress: Progress;
  #update: Promise<void> | undefined;

  constructor(runTool: RunTool, progress: Progress) {
    this.#runTool = runTool;
    this.#progress = progress;
  }

  /** Fetches the package lists, at most once in the life of this object. */
  update(): Promise<void> {
    this.#update ??= this.#fetchLists();
    return this.#update;
  }

  /** apt has no option to wait for the lock of the lists (fcntl(2)), and nothing tells when it becomes free. */
  async #fetchLists(): Promise<void> {
    this.#progress("package lists", "apt-get update");
    for (let attempt = 1; ; attempt++) {
      try {
        const onLine = (line: string) => this.#progress("package lists", line);
        await this.#runTool("apt-get", ["update", "--error-on=any"], { onLine, hint: HINT });
        return;
      } catch (error) {
        const busy = error instanceof WarrenError && error.message.includes("Could not get lock");
        if (!busy || attempt === ATTEMPTS) throw error;
        this.#progress("package lists", "another apt-get is at work: waiting for it");
        await setTimeout(PAUSE_MS);
      }
    }
  }

  /** Describes the newest version of a package; package lists that do not know it are fetched anew. */
  async show(name: string): Promise<PackageFields> {
    const fields = (await this.#show(name)) ?? (await this.update().then(() => this.#show(name)));
    if (fields) return fields;
    const message = `The package archives of this machine have no package ${name}. Look at /etc/apt/sources.list.d, then run apt-get update.`;
    throw new WarrenError("image_build_failed", message);
  }

  /** Downloads the newest versions of packages into a folder. */
  async download(names: readonly string[], folder: string): Promise<void> {
    // Packages are checked against signed lists; apt's own user could not write into the folder.
    const args = ["download", "--option", "APT::Sandbox::User=root", ...names];
    try {
      await this.#runTool("apt-get", args, { cwd: folder, hint: HINT });
    } catch (error) {
      if (this.#update) throw error;
      // The lists may name versions that the archive has replaced since.
      await this.update();
      await this.#runTool("apt-get", args, { cwd: folder, hint: HINT });
    }
  }

  async #show(name: string): Promise<PackageFields | undefined> {
    const known = await this.#runTool("apt-cache", ["policy", name]);
    if (!/Candidate: [^(]/.test(known)) return undefined;
    return parseFields(await this.#runTool("apt-cache", ["show", "--no-all-versions", name]));
  }
}

/** Names of the packages in a Depends field, the first of each choice. */
export function dependencies(fields: PackageFields): string[] {
  const field = fields.get("Depends") ?? "";
  return field
    .split(",")
    .map((choice) => choice.trim().split(/[\s(|:[]/)[0]!)
    .filter(Boolean);
}

/** Reads the first paragraph of control data (deb-control(5)). */
export function parseFields(text: string): PackageFields {
  const fields: PackageFields = new Map();
  let last = "";
  for (const line of text.split("\n")) {
    if (line.trim() === "") break;
    const match = /^([^\s:]+):\s*(.*)$/.exec(line);
    if (match) {
      last = match[1]!;
      fields.set(last, match[2]!);
    } else {
      fields.set(last, `${fields.get(last) ?? ""}\n${line.trim()}`);
    }
  }
  return fields;
}
