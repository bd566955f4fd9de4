import { lstat, mkdir, readlink, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HOST_FOLDER, LEAVE_HOST, READ_ONLY, SYSTEM_FOLDERS } from "@warren/server/mount-view";

/** Where the view is mounted, in the mount namespace of each VMM alone: elsewhere there are empty files and folders. */
const VIEW = "/run/warren/vmm";
/** Files that programs are started with, and the devices of a VMM. */
const FILES = ["/etc/ld.so.cache", "/dev/null", "/dev/urandom", "/dev/net/tun", "/dev/kvm"];
/** Where the root directory of the VMM is in the view. */
const ROOT = "root";

/** What a VMM process sees of the host's files until it gives that up as well for its root directory. */
export interface View {
  /** Lines of fstab(5) but for that of the root directory. */
  mounts: string;
}

/** Makes the places for programs, which are there for reading only, and for the devices of a VMM. What is there stays. */
export async function prepareView(program: string): Promise<View> {
  for (const name of [ROOT, "proc", HOST_FOLDER]) await mkdir(join(VIEW, name), { recursive: true, mode: 0o755 });
  const mounts = [
    line(VIEW, VIEW, "none", `bind,${READ_ONLY}`),
    line("proc", join(VIEW, "proc"), "proc", "ro,nosuid,nodev,noexec"),
  ];
  const elsewhere = program.startsWith("/") && !program.startsWith("/usr/") ? [dirname(program)] : [];
  for (const path of [...SYSTEM_FOLDERS, ...elsewhere, ...FILES]) {
    const kind = await lstat(path).catch(() => undefined);
    if (kind === undefined) continue;
    const target = join(VIEW, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    if (kind.isSymbolicLink()) {
      await symlink(await readlink(path), target).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      });
      continue;
    }
    if (kind.isDirectory()) await mkdir(target, { recursive: true, mode: 0o755 });
    else await writeFile(target, "", { flag: "a", mode: 0o600 });
    mounts.push(line(path, target, "none", kind.isCharacterDevice() ? "bind,nosuid,noexec" : `bind,${READ_ONLY}`));
  }
  return { mounts: mounts.join("") };
}

/** The table of mounts of a VMM with this root directory, for `ENTER_VIEW`. */
export function mountTable({ mounts }: View, root: string): string {
  return mounts + line(root, join(VIEW, ROOT), "none", "bind,nosuid,nodev,noexec");
}

/**
 * Shell commands that make the view the root of the mount namespace, take all other mounts out of it, go to the root
 * directory of the VMM, and become the program that follows the table of mounts.
 */
export const ENTER_VIEW = `set -e
mount --no-mtab --all --fstab "$1"
cd ${VIEW}
${LEAVE_HOST}
cd /${ROOT}
shift
exec "$@"`;

/** White space is written in octal. */
function line(...fields: string[]): string {
  const octal = (character: string) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
  return `${fields.map((field) => field.replace(/[\s\\]/g, octal)).join(" ")} 0 0\n`;
}
