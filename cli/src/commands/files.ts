import type { ErrorCode } from "@warren/contracts/errors";
import { type FileEntry, type Sandbox, WarrenError } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { integer } from "../arguments/parse.ts";
import { parseRemote } from "../arguments/remote.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";
import { Interruption } from "../terminal/interruption.ts";
import { jsonText, printableName } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";

interface UseOptions {
  dataDir: string;
  user?: string;
}

/** `warren files`: files and directories of a sandbox that runs. */
export function filesCommand(finish: (status: number) => void): Command {
  const group = new Command("files").summary("list, make, move and remove files of a running sandbox");
  const add = (name: string, summary: string) => {
    const command = new Command(name)
      .summary(summary)
      .argument("<sandbox:path>", "file or directory of a sandbox; a relative path starts at the user's home")
      .option("-u, --user <name>", "user of the sandbox whose rights are used")
      .addOption(dataDirOption());
    group.addCommand(command);
    return command;
  };
  const use =
    <T extends UseOptions>(
      act: (sandbox: Sandbox, path: string, options: T & { signal: AbortSignal }) => Promise<void>,
    ) =>
    async (remote: string, options: T) => {
      await act(...(await locate(remote, options)));
      finish(0);
    };

  add("ls", "list a directory")
    .option("--depth <levels>", "levels of directories", integer(1, 64), 1)
    .option("--json", "print a JSON array")
    .action(
      use(async (sandbox, path, options: UseOptions & { depth: number; json?: boolean; signal: AbortSignal }) => {
        const entries: FileEntry[] = [];
        for await (const entry of sandbox.files.list(path, options)) entries.push(entry);
        print(entries, options.json);
      }),
    );
  add("stat", "describe a file, a directory or a link")
    .option("--json", "print a JSON array")
    .action(
      use(async (sandbox, path, options: UseOptions & { json?: boolean; signal: AbortSignal }) =>
        print([await sandbox.files.stat(path, options)], options.json),
      ),
    );
  add("mkdir", "make a directory")
    .option("-p, --parents", "make missing directories above it too")
    .action(
      use(async (sandbox, path, options: UseOptions & { parents?: boolean; signal: AbortSignal }) => {
        const made = sandbox.files.mkdir(path, options);
        await (options.parents ? made : made.catch(advise(WITHOUT_PARENTS)));
      }),
    );
  add("rm", "remove a file or a directory")
    .option("-r, --recursive", "remove a directory with all that is in it")
    .action(
      use(async (sandbox, path, options: UseOptions & { recursive?: boolean; signal: AbortSignal }) => {
        const removed = sandbox.files.remove(named(path), options);
        await (options.recursive ? removed : removed.catch(advise(NOT_RECURSIVE)));
      }),
    );
  add("mv", "move or rename a file or a directory")
    .argument("<path>", "new path in the same sandbox")
    .option("-f, --overwrite", "replace a file that is there")
    .action(async (remote: string, destination: string, options: UseOptions & { overwrite?: boolean }) => {
      const [sandbox, path, all] = await locate(remote, options);
      await sandbox.files.move(named(path), destination, all);
      finish(0);
    });
  return group;
}

/** What options lead past refusals, by their codes. */
type Advice = Partial<Record<ErrorCode, string>>;

const WITHOUT_PARENTS: Advice = {
  file_not_found: "-p makes missing directories too",
  already_exists: "with -p a directory that is there is taken for made",
};
const NOT_RECURSIVE: Advice = { conflict: "-r removes a directory with all that is in it" };

/** Says which option of the command leads past a refusal. */
function advise(advice: Advice): (error: unknown) => never {
  return (error) => {
    const more = error instanceof WarrenError ? advice[error.code] : undefined;
    if (!(error instanceof WarrenError) || more === undefined) throw error;
    throw new WarrenError(error.code, `${error.message}; ${more}`, { cause: error });
  };
}

async function locate<T extends UseOptions>(
  remote: string,
  options: T,
): Promise<[sandbox: Sandbox, path: string, options: T & { signal: AbortSignal }]> {
  const place = parseRemote(remote);
  if (!place) throw new Error(`${remote} is not SANDBOX:PATH.`);
  const { signal } = new Interruption();
  const sandbox = await findSandbox(await runningServer(options.dataDir), place.sandbox, signal);
  return [sandbox, place.path, { ...options, signal }];
}

/** A path to take from its place: a home does not go because a script had nothing to put behind the colon. */
function named(path: string): string {
  if (path === "")
    throw new Error("Nothing stands behind the colon, which is the user's home: it goes as SANDBOX:. only.");
  return path;
}

function print(entries: FileEntry[], json: boolean | undefined): void {
  if (json) process.stdout.write(`${jsonText(entries)}\n`);
  else process.stdout.write(table(["MODE", "OWNER", "GROUP", "SIZE", "MODIFIED", "PATH"], entries.map(row)));
}

function row({ type, mode, owner, group, size, modifiedAt, path, target }: FileEntry): string[] {
  const kind = { file: "-", directory: "d", symlink: "l", other: "?" }[type];
  const permissions = `${kind}${mode.toString(8).padStart(4, "0")}`;
  const name = target === undefined ? path : `${printableName(path)} -> ${printableName(target)}`;
  return [permissions, owner, group, String(size), modifiedAt.toISOString(), name];
}
