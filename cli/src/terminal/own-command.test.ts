import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeReady } from "../commands/up.ts";
import { ownCommand } from "./own-command.ts";

const ROOT = join(import.meta.dirname, "../../..");
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-own-command-"));
  await symlink(join(ROOT, "warren"), join(directory, "warren"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it("a fresh clone is called where it lies, and by its path from elsewhere", () => {
  expect(ownCommand({ path: "/usr/bin:/bin", directory: ROOT })).toBe("./warren");
  expect(ownCommand({ path: "", directory })).toBe(join(ROOT, "warren"));
});

it("a link in PATH is called by its name, unless another program of the name comes first", async () => {
  expect(ownCommand({ path: `/bin:${directory}`, directory: ROOT })).toBe("warren");
  const other = await mkdtemp(join(tmpdir(), "warren-own-command-"));
  await writeFile(join(other, "warren"), "#!/bin/sh\n");
  await chmod(join(other, "warren"), 0o755);
  expect(ownCommand({ path: `${other}:${directory}`, directory: ROOT })).toBe("./warren");
  await rm(other, { recursive: true });
});

it("a server that is ready says what can be typed", () => {
  const url = "http://127.0.0.1:3000";
  const ready = { url, api_key: "warren_0", docs_url: `${url}/docs`, setup_url: `${url}/setup#x` };
  const said = describeReady({ ...ready, notes: ["KVM is wanting."] }, "/var/lib/warren", "./warren");
  expect(said).toContain("\nKVM is wanting.\n");
  expect(said).toContain("\n  ./warren run -- uname -a\n");
  expect(said).toContain("'./warren admin link' prints another");
  expect(said).not.toMatch(/[^/]warren (run|admin)/);
});
