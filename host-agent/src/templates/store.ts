import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { BASE_TEMPLATE, TEMPLATE_NAME } from "@warren/contracts/identifiers";
import { removeUnfinishedWrites, syncDirectory, writeFileDurably } from "@warren/server/durable-file";

/** A name under which a team starts sandboxes from a snapshot. */
export interface Template {
  teamId: string;
  name: string;
  snapshot: string;
  vcpus: number;
  /** MiB. */
  memoryMb: number;
  /** Allocated blocks × 512 of memory, disk and device state. */
  sizeBytes: number;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

/** The templates of a data directory, `templates/{team}/{name}.json`; each file names a snapshot. */
export class TemplateStore {
  readonly #directory: string;
  readonly #templates = new Map<string, Template>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Opens the store and removes what an earlier process left half written. */
  static async open(dataDirectory: string): Promise<TemplateStore> {
    const store = new TemplateStore(join(dataDirectory, "templates"));
    await mkdir(store.#directory, { recursive: true, mode: 0o700 });
    for (const team of await readdir(store.#directory)) {
      await removeUnfinishedWrites(join(store.#directory, team));
      for (const file of await readdir(join(store.#directory, team))) {
        if (!file.endsWith(".json")) continue;
        const template = JSON.parse(await readFile(join(store.#directory, team, file), "utf8")) as Template;
        store.#templates.set(key(template.teamId, template.name), template);
      }
    }
    return store;
  }

  list(): Template[] {
    return [...this.#templates.values()];
  }

  /** Throws `template_not_found`. */
  get(teamId: string, name: string): Template {
    const template = this.#templates.get(key(teamId, name));
    if (!template) throw new WarrenError("template_not_found", `there is no template ${name} on this host`);
    return template;
  }

  /** The template of a name, if it has a certain snapshot; throws `template_not_found`. */
  getExact(teamId: string, name: string, snapshot: string): Template {
    const template = this.get(teamId, name);
    if (template.snapshot === snapshot) return template;
    throw new WarrenError("template_not_found", `the template ${name} of this host is another one`);
  }

  /** Throws unless a template of this name can be made. */
  requireFree(teamId: string, name: string, overwrite: boolean): void {
    requireName(teamId, name);
    if (name === BASE_TEMPLATE)
      throw new WarrenError("conflict", `${name} is the built-in template; choose another name`);
    if (!overwrite && this.#templates.has(key(teamId, name))) {
      throw new WarrenError("already_exists", `there is a template ${name} already; delete it, or ask to overwrite it`);
    }
  }

  /** Makes a template, or points the one of this name to another snapshot, in one step. Gives the one that it replaced. */
  async put(template: Template): Promise<Template | undefined> {
    requireName(template.teamId, template.name);
    const directory = join(this.#directory, template.teamId);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await syncDirectory(this.#directory);
    await writeFileDurably(join(directory, `${template.name}.json`), `${JSON.stringify(template, null, 2)}\n`);
    const former = this.#templates.get(key(template.teamId, template.name));
    this.#templates.set(key(template.teamId, template.name), template);
    return former;
  }

  /** Throws `template_not_found`. The snapshot goes with the next collection, unless something else needs it. */
  async remove(teamId: string, name: string): Promise<void> {
    this.get(teamId, name);
    this.#templates.delete(key(teamId, name));
    const directory = join(this.#directory, teamId);
    await rm(join(directory, `${name}.json`), { force: true });
    await syncDirectory(directory);
  }
}

function key(teamId: string, name: string): string {
  return `${teamId}/${name}`;
}

/** Both become names of files. */
function requireName(teamId: string, name: string): void {
  if (!TEMPLATE_NAME.test(name)) throw new WarrenError("invalid_request", `"${name}" is not a template name`);
  if (!/^[0-9a-zA-Z-]{1,64}$/.test(teamId)) throw new WarrenError("invalid_request", `"${teamId}" is not a team id`);
}
