import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
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
