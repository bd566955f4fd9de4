import { access, chown, constants, mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { ControlPlaneProcess, type Identity } from "../../testing/control-plane-process.ts";

/** User and group id of `nobody`. */
const NOBODY = 65534;

let directory: string;
let dataDir: string;
let processes: ControlPlaneProcess[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-embedded-"));
  dataDir = join(directory, "data");
  processes = [];
});
afterEach(async () => {
  await Promise.all(processes.map((process) => process.kill()));
  await rm(directory, { recursive: true, force: true });
});

function start(environment: Record<string, string> = {}, identity: Identity = {}): ControlPlaneProcess {
  const { cacheDir } = inject("databases");
  const settings = { WARREN_DATA_DIR: dataDir, WARREN_CACHE_DIR: cacheDir, ...environment };
  const child = new ControlPlaneProcess(settings, identity);
  processes.push(child);
  return child;
}

/** Status of a list of sandboxes, which takes the database, with the key of the data directory. */
async function list(url: string): Promise<number> {
  const { api_key } = JSON.parse(await readFile(join(dataDir, "credentials.json"), "utf8"));
  return (await fetch(`${url}/v1/sandboxes`, { headers: { "x-api-key": api_key } })).status;
}

/** Process ids of all processes that work on the database. */
async function workers(): Promise<string[]> {
  const { ino } = await stat(join(dataDir, "database", "lock"));
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const lock = await stat(`/proc/${pid}/fd/3`).catch(() => undefined);
      return lock?.ino === ino ? [pid] : [];
    }),
  );
  return found.flat();
}

it("a control plane that is asked to end ends its database first", async () => {
  const first = start();
  expect(await list(await first.url())).toBe(200);
  expect(await workers()).not.toEqual([]);
  first.child.kill("SIGTERM");
  expect((await first.ended()).code).toBe(0);
  expect(await workers()).toEqual([]);
});

it("one that is killed leaves a database that ends, for which the next one waits", async () => {
  const first = start();
  expect(await list(await first.url())).toBe(200);
  const former = await workers();
  first.child.kill("SIGKILL");
  const second = start();
  expect(await list(await second.url())).toBe(200);
  const now = await workers();
  expect(now).not.toEqual([]);
  expect(now.filter((pid) => former.includes(pid))).toEqual([]);
});

it("one that is killed while its database recovers leaves one that ends all the same", async () => {
  const first = start();
  expect(await list(await first.url())).toBe(200);
  const checkpointer = async () => {
    for (const pid of await workers()) {
      const title = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      if (title.includes("checkpointer")) return Number(pid);
    }
    return undefined;
  };
  const former = await checkpointer();
  process.kill(former!, "SIGKILL");
  await expect.poll(checkpointer, { interval: 1 }).not.toBeOneOf([former, undefined]);
  first.child.kill("SIGKILL");
  await expect.poll(workers, { timeout: 15_000 }).toEqual([]);
}, 60_000);

it("one without the rights of root has a database of its own user", async ({ skip }) => {
  const { mode } = await stat(dirname(process.execPath));
  const readable = await access(import.meta.filename, constants.R_OK).then(() => (mode & 0o005) === 0o005);
  if (!readable) skip("the repository cannot be read by others");
  for (const path of [directory, dataDir]) {
    await mkdir(path, { recursive: true });
    await chown(path, NOBODY, NOBODY);
  }
  const child = start({ WARREN_CACHE_DIR: join(dataDir, "cache") }, { userId: NOBODY });
  const url = await child.url();
  expect(await list(url)).toBe(200);
  const { uid, mode: clusterMode } = await stat(join(dataDir, "database", "cluster"));
  expect([uid, clusterMode & 0o777]).toEqual([NOBODY, 0o700]);
  child.child.kill("SIGTERM");
  expect((await child.ended()).code).toBe(0);
});

it("one with the name of root and not its rights says what it lacks", async () => {
  const child = start({}, { launcher: ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"] });
  const { code, message } = await child.refusal();
  expect(code).toBe("database_unavailable");
  expect(message).toMatch(
    /could not be mounted .*CAP_SYS_ADMIN.*; run the control plane as another user .*DATABASE_URL/s,
  );
});
