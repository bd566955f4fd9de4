import { lstatSync, mkdirSync, readlinkSync } from "node:fs";
import { HOST_FOLDER, LEAVE_HOST, READ_ONLY, SYSTEM_FOLDERS } from "@warren/server/mount-view";

/** Where the view is mounted, in the mount namespace of each server alone: elsewhere it is an empty folder. */
const VIEW = "/run/warren/postgresql";
/** Where things are in the view. */
const FILES = "/postgresql";
const CLUSTER = "/cluster";
const SOCKET = "/socket";

/** Exit status of the commands before PostgreSQL when the view cannot be made. */
export const VIEW_FAILED = 71;

/** What a program of PostgreSQL works with, as paths of the host. */
export interface Places {
  /** Its own files. */
  files: string;
  /** The cluster, or where one is to be made. */
  cluster: string;
  /** Directory of the socket. */
  socket?: string;
  /** A copy of the cluster in memory is seen in its place, and goes with the last process. */
  inMemory?: boolean;
}

/**
 * The command that becomes a program of PostgreSQL. It ends with this process, however that ends, and can get no
 * privileges. With a user id it is run as that user, in mount and IPC namespaces of its own in which there is nothing of
 * the host but the places given and, for reading, the system's libraries: neither does it find other files, nor need the
 * way to its own be open to that user.
 */
export function commandFor(
  program: "postgres" | "initdb",
  argumentsFor: (places: Places) => string[],
  places: Places,
  userId: number | undefined,
): [string, ...string[]] {
  // A parent that ended before the first line of the script is not noticed by the signal.
  const parent = `test "$PPID" = ${process.pid} || exit 1`;
  const command = (seen: Places) => [`${seen.files}/bin/${program}`, ...argumentsFor(seen)];
  if (userId === undefined) {
    const script = `${parent}\nexec "$@"`;
    return [...DIES_WITH_PARENT, "--no-new-privs", "--", "sh", "-c", script, "sh", ...command(places)];
  }
  mkdirSync(VIEW, { recursive: true, mode: 0o755 });
  const script = [parent, ...enterView(places, userId)].join("\n");
  const seen = { files: FILES, cluster: CLUSTER, socket: SOCKET };
  const namespaces = ["unshare", "--mount", "--ipc", "--propagation", "private", "--"];
  return [...DIES_WITH_PARENT, "--", ...namespaces, "sh", "-c", script, "sh", ...asUser(userId), ...command(seen)];
}

/**
 * At once: with PostgreSQL 18, an end in order that is asked for during recovery from a crash waits for ever, and nobody is left
 * to ask again. The next start recovers what was not written.
 */
const DIES_WITH_PARENT: [string, ...string[]] = ["setpriv", "--pdeathsig=QUIT"];

/** The change of the user id takes the signal away, so that it is set again. */
function asUser(id: number): string[] {
  const identity = [`--reuid=${id}`, `--regid=${id}`, "--clear-groups"];
  return [...DIES_WITH_PARENT, ...identity, "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"];
}

/** Commands of the shell that make the view, become part of it, and run the rest of the arguments. */
function enterView({ files, cluster, socket, inMemory }: Places, userId: number): string[] {
  return [
    `trap 'exit ${VIEW_FAILED}' EXIT`,
    "set -e",
    "umask 022",
    `mount --no-mtab -t tmpfs -o mode=0755,nosuid,nodev,noexec warren ${VIEW}`,
    `cd ${VIEW}`,
    `mkdir proc etc dev ${HOST_FOLDER} .${FILES} .${CLUSTER} .${SOCKET}`,
    "mkdir -m 1777 dev/shm tmp",
    // initdb asks for the name of its user.
    `echo "postgres:x:${userId}:${userId}::/:/bin/sh" > etc/passwd`,
    ": > dev/null",
    "mount --no-mtab --bind -o nosuid,noexec /dev/null dev/null",
    "mount --no-mtab -t proc -o ro,nosuid,nodev,noexec proc proc",
    ...SYSTEM_FOLDERS.flatMap(systemFolder),
    bind(files, FILES, READ_ONLY),
    inMemory ? copyOwned(cluster, CLUSTER, userId) : bind(cluster, CLUSTER, "nosuid,nodev,noexec"),
    ...(socket === undefined ? [] : [bind(socket, SOCKET, "nosuid,nodev,noexec")]),
    LEAVE_HOST,
    "cd /",
    "umask 077",
    'exec "$@"',
  ];
}

function systemFolder(path: string): string[] {
  const kind = lstatSync(path, { throwIfNoEntry: false });
  if (kind?.isSymbolicLink()) return [`ln -s ${quote(readlinkSync(path))} .${path}`];
  return kind?.isDirectory() ? [`mkdir .${path}`, bind(path, path, READ_ONLY)] : [];
}

/** Copies a directory to a user, who has it already unless another server is that user now. */
function copyOwned(from: string, to: string, userId: number): string {
  const copy = `cp --archive --no-target-directory -- ${quote(from)} .${to}`;
  return lstatSync(from).uid === userId ? copy : `${copy}\nchown --recursive ${userId}:${userId} .${to}`;
}

function bind(from: string, to: string, options: string): string {
  return `mount --no-mtab --bind -o ${options} -- ${quote(from)} .${to}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
