import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const DEBIAN = "/usr/lib/postgresql";

/** A PostgreSQL server with its usual settings on a unix socket in a temporary directory; it counts statements. */
export class PostgresServer {
  readonly #directory: string;
  readonly #process: ChildProcess;

  private constructor(directory: string, process: ChildProcess) {
    this.#directory = directory;
    this.#process = process;
  }

  static async start(): Promise<PostgresServer> {
    const [version] = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
    const bin = join(DEBIAN, version ?? "", "bin");
    const directory = mkdtempSync(join(tmpdir(), "warren-bench-postgresql-"));
    const home = join(directory, "server");
    mkdirSync(home);
    chmodSync(directory, 0o711);
    // PostgreSQL refuses to run as root.
    const user = process.getuid?.() === 0 ? ["--reuid=postgres", "--regid=postgres", "--init-groups"] : [];
    if (user.length > 0) execFileSync("chown", ["postgres:postgres", home]);
    const data = join(home, "data");
    const initdb = [join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C"];
    execFileSync("setpriv", [...user, ...initdb], { cwd: home, stdio: "ignore" });
    const settings = [
      "listen_addresses=",
      `unix_socket_directories=${home}`,
      "shared_preload_libraries=pg_stat_statements",
    ];
    const server = [join(bin, "postgres"), "-D", data, ...settings.flatMap((setting) => ["-c", setting])];
    const child = spawn("setpriv", [...user, "--pdeathsig=INT", ...server], {
      cwd: home,
      env: { PATH: process.env.PATH, LC_ALL: "C" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    for await (const line of createInterface(child.stderr)) {
      if (!line.includes("ready to accept connections")) continue;
      child.stderr.resume();
      return new PostgresServer(home, child);
    }
    throw new Error("PostgreSQL did not start");
  }

  /** Connection string of its database. */
  get url(): string {
    return `postgresql:///postgres?user=postgres&host=${encodeURIComponent(this.#directory)}`;
  }

  async close(): Promise<void> {
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGINT");
    await exit;
    rmSync(join(this.#directory, ".."), { recursive: true, force: true });
  }
}
