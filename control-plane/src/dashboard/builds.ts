import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../logging.ts";
import { BuiltPages } from "./built-pages.ts";
import { contentSecurityPolicy } from "./page-policy.ts";

/** File that names the directory of the build to serve. */
export const CURRENT = "current";
/** File with the reason why there is none. */
export const FAILED = "failed";

/** Names of directories of builds. */
const BUILD_NAME = /^[a-f0-9]{16,64}$/;

/** What is served of the pages now. */
export interface ServedBuild {
  name: string;
  pages: BuiltPages;
  /** Policies of the pages that are HTML, by their paths. */
  policies: ReadonlyMap<string, string>;
}

/**
 * The builds of the pages in a directory, where whoever builds them puts one beside the other and names in `current` which
 * to serve. A page that was opened before the newest build goes on with the files of its own.
 */
export class Builds {
  readonly #directory: string;
  readonly #log: Logger;
  readonly #opened = new Map<string, Promise<ServedBuild>>();

  constructor(directory: string, log: Logger) {
    this.#directory = directory;
    this.#log = log;
  }

  /** The build to serve, which may be another at each call; undefined while there is none. */
  async current(): Promise<ServedBuild | undefined> {
    const name = (await this.#read(CURRENT))?.trim();
    if (name === undefined || !BUILD_NAME.test(name)) return undefined;
    return this.#open(name).catch((error: unknown) => {
      this.#log.error({ err: error, build: name }, "a build of the dashboard cannot be read");
      return undefined;
    });
  }

  /** All builds that are there, the one to serve first. */
  async all(): Promise<ServedBuild[]> {
    const current = await this.current();
    const names = await readdir(this.#directory).catch(() => []);
    const others = names.filter((name) => BUILD_NAME.test(name) && name !== current?.name);
    const builds = await Promise.allSettled(others.map((name) => this.#open(name)));
    return [
      ...(current ? [current] : []),
      ...builds.flatMap((build) => (build.status === "fulfilled" ? [build.value] : [])),
    ];
  }

  /** Why there is no build, when making it has failed. */
  async failure(): Promise<string | undefined> {
    return this.#read(FAILED);
  }

  async #read(name: string): Promise<string | undefined> {
    return readFile(join(this.#directory, name), "utf8").catch(() => undefined);
  }

  #open(name: string): Promise<ServedBuild> {
    let opened = this.#opened.get(name);
    if (!opened) {
      opened = openBuild(name, join(this.#directory, name));
      this.#opened.set(name, opened);
      opened.catch(() => this.#opened.delete(name));
    }
    return opened;
  }
}

async function openBuild(name: string, directory: string): Promise<ServedBuild> {
  const pages = await BuiltPages.open(directory);
  const html = pages.paths.filter((path) => path.endsWith(".html"));
  const policies = new Map(html.map((path) => [path, contentSecurityPolicy(pages.text(path))]));
  return { name, pages, policies };
}
