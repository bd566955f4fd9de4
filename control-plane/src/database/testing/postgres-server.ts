import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import pg from "pg";

/** A PostgreSQL server in a directory of its own, reached over a unix socket there. */
export class PostgresServer {
  readonly #directory: string;
  readonly #process: ChildProcess;

  private constructor(directory: string, process: ChildProcess) {
    this.#directory = directory;
    this.#process = process;
  }

  /** Makes a cluster in `directory`, which must not exist, and starts a server that ends with this process. */
  static async start(directory: string): Promise<PostgresServer> {
    const bin = await binaries();
    const user = await serverUser();
    await mkdir(directory, { mode: 0o700 });
    if (user) await chown(directory, user.uid, user.gid);
    const data = join(directory, "data");
    const initdb = ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"];
    await promisify(execFile)(join(bin, "initdb"), initdb, { ...user, cwd: directory });
    return PostgresServer.restart(directory);
  }

  /** Starts a server on the cluster of a directory. */
  static async restart(directory: string): Promise<PostgresServer> {
    const settings = ["listen_addresses=", "fsync=off", "max_connections=200", `unix_socket_directories=${directory}`];
    const options = settings.flatMap((setting) => ["-c", setting]);
    const command = [join(await binaries(), "postgres"), "-D", join(directory, "data"), ...options];
    const user = await serverUser();
    const identity = user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"] : [];
    const child = spawn("setpriv", [...identity, "--pdeathsig=INT", ...command], {
      cwd: directory,
      env: { PATH: process.env.PATH, LC_ALL: "C" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    await ready(child);
    return new PostgresServer(directory, child);
  }

  /** Connection string of a database of this server. */
  url(database: string): string {
    return `postgresql:///${database}?user=postgres&host=${encodeURIComponent(this.#directory)}`;
  }

  /** Stops the server; its directory stays. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    // Fast shutdown: breaks the connections that are left.
    this.#process.kill("SIGINT");
    await exit;
  }

  /** Stops the server and removes its directory. */
  async close(): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Runs one statement against a server, outside the database under test. */
export async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function binaries(): Promise<string> {
  const root = "/usr/lib/postgresql";
  const versions = (await readdir(root).catch(() => [])).map(Number).filter(Number.isInteger);
  if (versions.length === 0) throw new Error("PostgreSQL is not installed; install Debian's package postgresql");
  return join(root, String(Math.max(...versions)), "bin");
}

/** PostgreSQL refuses to run as root; root runs it as the package's user. */
async function serverUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const line = (await readFile("/etc/passwd", "utf8")).split("\n").find((entry) => entry.startsWith("postgres:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (!uid || !gid) throw new Error("the user postgres does not exist; install Debian's package postgresql");
  return { uid: Number(uid), gid: Number(gid) };
}

async function ready(child: ChildProcess): Promise<void> {
  const lines: string[] = [];
  const output = createInterface({ input: child.stderr! });
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    output.once("close", () => reject(new Error(`PostgreSQL did not start:\n${lines.join("\n")}`)));
    output.on("line", (line) => {
      lines.push(line);
      if (line.includes("database system is ready to accept connections")) resolve();
    });
  });
  // Later output is read on, so that the server never waits for a full pipe.
  output.removeAllListeners("line");
  output.on("line", () => undefined);
}
