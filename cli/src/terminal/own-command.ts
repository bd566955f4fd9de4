import { accessSync, constants, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The clone. */
const ROOT = join(import.meta.dirname, "../../..");

/** Where a command is typed. */
interface Shell {
  /** Directories that are searched for commands, as `PATH` has them. */
  path?: string | undefined;
  /** Directory in which it is typed. */
  directory?: string;
}

/**
 * How this program is called by whoever types in a shell like this one: `warren` where the shell finds it by that name,
 * `./warren` in the clone, and its path elsewhere.
 */
export function ownCommand({ path = process.env.PATH, directory = process.cwd() }: Shell = {}): string {
  const launcher = join(ROOT, "warren");
  const found = (path ?? "").split(delimiter).find((each) => each !== "" && isProgram(join(each, "warren")));
  if (found !== undefined && realpathSync(join(found, "warren")) === realpathSync(launcher)) return "warren";
  return realpathSync(directory) === realpathSync(ROOT) ? "./warren" : launcher;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
