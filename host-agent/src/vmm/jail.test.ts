import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { detectCgroups } from "../cgroup/detect.ts";
import { temporaryFolder } from "../linux/testing/temporary-folder.ts";
import { jailCgroup, jailPaths, prepareJail, sweepJail, takeDeviceState } from "./jail.ts";
import type { Jail } from "./vmm.ts";

const LIMITS = { memoryBytes: 64 * 1024 * 1024, tasks: 20, cpus: 1 };
const cgroups = await detectCgroups();
const VIEW = { mounts: "" };

let uid = 799_000;

function newJail(): Jail {
  uid += 1;
  return { directory: join(temporaryFolder(), "jail"), uid, cgroup: `warren-test-${process.pid}/jail${uid}` };
}

async function prepared(): Promise<Jail> {
  const jail = newJail();
  await prepareJail(jail, cgroups.group(jail.cgroup), VIEW);
  return jail;
}

test("the VMM's user can write the device state and make no files", async () => {
  const jail = await prepared();
  const { root, rawState } = jailPaths(jail);
  expect(statSync(jail.directory).mode & 0o777).toBe(0o700);
  expect(statSync(rawState)).toMatchObject({ uid: jail.uid, gid: jail.uid });
  expect(statSync(root)).toMatchObject({ uid: 0 });
  expect(statSync(root).mode & 0o022).toBe(0);
});

test("a jail is made anew over what an earlier microVM left", async () => {
  const jail = await prepared();
  const { root, rawState } = jailPaths(jail);
  writeFileSync(join(root, "left"), "");
  writeFileSync(rawState, "old");
  await prepareJail(jail, cgroups.group(jail.cgroup), VIEW);
  expect(existsSync(join(root, "left"))).toBe(false);
  expect(readFileSync(rawState, "utf8")).toBe("");
});

test.each([0, -1, 1.5, Number.NaN])("user id %d cannot own a microVM", async (bad) => {
  const jail = { ...newJail(), uid: bad };
  await expect(prepareJail(jail, cgroups.group(jail.cgroup), VIEW)).rejects.toMatchObject({ code: "internal_error" });
});

test("a device state is taken out of the reach of the VMM", async () => {
  const jail = await prepared();
  writeFileSync(jailPaths(jail).rawState, "state");
  const path = await takeDeviceState(jail);
  expect(path.startsWith(jailPaths(jail).root)).toBe(false);
  expect(readFileSync(path, "utf8")).toBe("state");
  expect(statSync(path)).toMatchObject({ uid: 0 });
});

test("a device state that is empty, huge, a link or a directory is refused", async () => {
  const jail = await prepared();
  const { rawState } = jailPaths(jail);
  await expect(takeDeviceState(jail)).rejects.toMatchObject({ code: "agent_error" });
  truncateSync(rawState, 1024 ** 3);
  await expect(takeDeviceState(jail)).rejects.toThrow("cannot be right");
  rmSync(rawState);
  symlinkSync("/etc/passwd", rawState);
  await expect(takeDeviceState(jail)).rejects.toMatchObject({ code: "ELOOP" });
  rmSync(rawState);
  mkdirSync(rawState);
  await expect(takeDeviceState(jail)).rejects.toThrow();
});

test("a sweep ends what is in the group, of the user or in the directory, and nothing else", async () => {
  const jail = await prepared();
  const group = cgroups.group(jail.cgroup);
  await group.create(LIMITS);
  const start = async (script: string, options: object = {}) => {
    const child = spawn("/bin/sh", ["-c", script, "sh", ...group.entrances], {
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
      ...options,
    });
    const ended = once(child, "exit");
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    await once(child.stdout, "data");
    return { child, ended };
  };
  const sleep = "echo up; exec sleep 1000";
  const doomed = [
    await start(`for f in "$@"; do echo $$ >"$f"; done; ${sleep}`),
    await start(sleep, { uid: jail.uid, cwd: "/" }),
    await start(sleep, { cwd: jail.directory }),
    await start(sleep, { cwd: jailPaths(jail).root }),
  ];
  const other = await start(sleep);
  await sweepJail(jail, cgroups);
  for (const { ended } of doomed) expect(await ended).toEqual([null, "SIGKILL"]);
  expect(other.child.exitCode ?? other.child.signalCode).toBeNull();
  for (const directory of group.directories) expect(existsSync(directory)).toBe(false);
  await sweepJail(jail, cgroups);
});

test("the group of a jail is found where it was made, even if it would be made elsewhere today", async () => {
  const jail = await prepared();
  const elsewhere = cgroups.group(`warren-test-${process.pid}/elsewhere`);
  await prepareJail(jail, elsewhere, VIEW);
  expect((await jailCgroup(jail, cgroups)).directories).toEqual(elsewhere.directories);
});

test("a jail whose directory is gone is swept by its user and group", async () => {
  const jail = newJail();
  await sweepJail(jail, cgroups);
});
