import { chmod, chown, lchown, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makePrivateDirectory } from "./private-directory.ts";
import { LocalUser } from "./testing/local-user.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-private-"));
  await chmod(directory, 0o755);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

/** A data directory as it was made when others could read it. */
async function openInstallation(): Promise<string> {
  const data = join(directory, "data");
  await mkdir(join(data, "db/base"), { recursive: true });
  await writeFile(join(data, "lock"), "");
  await writeFile(join(data, "db/base/signing_keys"), "secret");
  await mkdir(join(data, "sandboxes/one/jail/root"), { recursive: true });
  await chmod(join(data, "sandboxes"), 0o700);
  for (const path of [data, join(data, "db"), join(data, "db/base")]) await chmod(path, 0o755);
  await chmod(join(data, "db/base/signing_keys"), 0o644);
  await chmod(join(data, "sandboxes/one/jail/root"), 0o755);
  return data;
}

it("closes an installation to other users, to those too who are inside already", async () => {
  const data = await openInstallation();
  const inside = new LocalUser(join(data, "db/base"));
  try {
    expect(await inside.read("signing_keys")).toBe("secret");
    await makePrivateDirectory(data);
    expect(await inside.read("signing_keys")).toBe("EACCES");
    expect(await inside.read(join(data, "db/base/signing_keys"))).toBe("EACCES");
  } finally {
    inside.leave();
  }
  expect(await modeOf(data)).toBe(0o700);
  // The root directory of a microVM that runs is entered by another user.
  expect(await modeOf(join(data, "sandboxes/one/jail/root"))).toBe(0o755);
});

it("says of a file, and of what is below one, that it is no directory", async () => {
  const file = join(directory, "file");
  await writeFile(file, "content");
  await symlink("file", join(directory, "link"));
  for (const [path, why] of [
    [file, "is there and is no directory; name another"],
    [join(directory, "link"), "is there and is no directory; name another"],
    [join(file, "data"), "is below what is no directory; name another"],
  ] as const) {
    await expect(makePrivateDirectory(path)).rejects.toMatchObject({
      code: "invalid_request",
      message: `the data directory ${path} ${why}`,
    });
  }
  expect(await readFile(file, "utf8")).toBe("content");
});

it("makes a directory that is not there, and takes an empty one", async () => {
  const [made, empty] = [join(directory, "a/b"), join(directory, "empty")];
  await mkdir(empty);
  await writeFile(join(empty, ".env"), "WARREN_LOG_LEVEL=warn\n", { mode: 0o644 });
  for (const path of [made, empty]) {
    await makePrivateDirectory(path);
    expect(await modeOf(path)).toBe(0o700);
  }
  expect(await modeOf(join(empty, ".env"))).toBe(0o600);
});

it("refuses a directory with other things in it, and leaves it as it is", async () => {
  await writeFile(join(directory, "letters.txt"), "", { mode: 0o644 });
  await expect(makePrivateDirectory(directory)).rejects.toMatchObject({ code: "invalid_request" });
  expect(await modeOf(directory)).toBe(0o755);
  expect(await modeOf(join(directory, "letters.txt"))).toBe(0o644);
  await chmod(directory, 0o700);
  await makePrivateDirectory(directory);
});

/** User and group id of `nobody`. */
const NOBODY = 65_534;

it("takes an empty directory away from the user who made it", async () => {
  const path = join(directory, "data");
  await mkdir(path);
  await chown(path, NOBODY, NOBODY);
  const inside = new LocalUser(path);
  try {
    await makePrivateDirectory(path);
    expect(await stat(path)).toMatchObject({ uid: process.getuid!(), gid: process.getgid!() });
    expect(await modeOf(path)).toBe(0o700);
    await writeFile(join(path, "secret.key"), "secret", { mode: 0o644 });
    expect(await inside.read("secret.key")).toBe("EACCES");
  } finally {
    inside.leave();
  }
});

it.each([0o700, 0o755])("refuses what another user has put in a directory of mode %o, and leaves it", async (mode) => {
  const path = join(directory, "data");
  await mkdir(join(path, "images"), { recursive: true });
  await chmod(path, mode);
  await chown(path, NOBODY, NOBODY);
  await expect(makePrivateDirectory(path)).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("belongs to another user"),
  });
  expect(await stat(path)).toMatchObject({ uid: NOBODY });
  expect(await modeOf(path)).toBe(mode);
});

it("refuses a directory in which others could put a database of theirs", async () => {
  const path = join(directory, "data");
  await mkdir(join(path, "cache"), { recursive: true });
  await chmod(path, 0o777);
  await chown(join(path, "cache"), NOBODY, NOBODY);
  await expect(makePrivateDirectory(path)).rejects.toMatchObject({ message: expect.stringContaining("cache") });
});

it("refuses what others have put deeper into it, and leaves it", async () => {
  const path = await openInstallation();
  await chmod(join(path, "db/base"), 0o777);
  await writeFile(join(path, "db/base/theirs"), "");
  await chown(join(path, "db/base/theirs"), NOBODY, NOBODY);
  await expect(makePrivateDirectory(path)).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("db/base/theirs"),
  });
  expect(await modeOf(path)).toBe(0o755);
});

it("takes what its own user has given to others, such as the jail of a microVM", async () => {
  const path = await openInstallation();
  await chmod(join(path, "sandboxes"), 0o755);
  await chown(join(path, "sandboxes/one/jail"), NOBODY, NOBODY);
  await makePrivateDirectory(path);
  expect(await modeOf(path)).toBe(0o700);
});

it("refuses a path on which others can put another directory", async () => {
  const path = join(directory, "data");
  await mkdir(path);
  await symlink(path, join(directory, "link"));
  await makePrivateDirectory(join(directory, "link"));
  await lchown(join(directory, "link"), NOBODY, NOBODY);
  await expect(makePrivateDirectory(join(directory, "link"))).rejects.toMatchObject({ code: "invalid_request" });
  await chmod(directory, 0o777);
  await expect(makePrivateDirectory(path)).rejects.toMatchObject({ code: "invalid_request" });
  // As /tmp: only the owner of an entry can rename it.
  await chmod(directory, 0o1777);
  await makePrivateDirectory(path);
});
