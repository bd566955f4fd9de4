import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { ROOT } from "@warren/cli/bundle-programs";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { ControlPlaneProcess } from "../control-plane/src/testing/control-plane-process.ts";

/** A repository whose pages are one page, so that the same Vite builds them in a second. */
const PAGE = `<!doctype html><html lang="en"><head><title>t</title></head><body><script type="module" src="/src/main.ts"></script></body></html>`;
const VITE = `import { writeFileSync } from "node:fs";
export default {
  build: { outDir: process.env.WARREN_DASHBOARD_OUTPUT, emptyOutDir: true, assetsDir: "_app/immutable" },
  plugins: [{ name: "for-ever", async transform(code) {
    if (!code.includes("for ever")) return;
    writeFileSync("pid", String(process.pid));
    await new Promise(() => setInterval(() => undefined, 1000));
  } }],
};`;
/** What `warren up` does for the pages; each line that is said is one of JSON. */
const PREPARE = `import { preparePages } from "./cli/src/dashboard/prepare-pages.ts";
preparePages((text) => process.stdout.write(JSON.stringify(text) + "\\n"));`;

let directory: string;
let root: string;
let server: ControlPlaneProcess;
let url: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-dashboard-build-"));
  root = join(directory, "repository");
  for (const path of [
    "cli/src/dashboard",
    "cli/src/servers/last-lines.ts",
    "sdk/src/gen/api.ts",
    "package-lock.json",
  ]) {
    await cp(join(ROOT, path), join(root, path), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(root, "node_modules"));
  await mkdir(join(root, "dashboard/src"), { recursive: true });
  await mkdir(join(root, "dashboard/static"));
  const files = {
    "package.json": `{"type":"module"}`,
    "dashboard/package.json": `{"type":"module"}`,
    "dashboard/index.html": PAGE,
    "dashboard/vite.config.ts": VITE,
    "dashboard/policy-plugins.ts": "",
    "dashboard/tsconfig.json": "{}",
    "prepare.ts": PREPARE,
  };
  for (const [path, content] of Object.entries(files)) await writeFile(join(root, path), content);
  const dataDir = join(directory, "data");
  await mkdir(dataDir, { mode: 0o700 });
  server = new ControlPlaneProcess({
    WARREN_DATA_DIR: dataDir,
    WARREN_DASHBOARD_DIR: join(root, ".warren/dashboard"),
    WARREN_EXIT_WITH_PARENT: "1",
  });
  url = await server.url();
});
afterAll(async () => {
  await server?.kill();
  await rm(directory, { recursive: true, force: true });
});

/** Has the pages built of a source; gives what the launcher says of it. */
async function prepare(source: string): Promise<string[]> {
  await writeFile(join(root, "dashboard/src/main.ts"), source);
  const child = spawn(process.execPath, [...NODE_FLAGS, join(root, "prepare.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said = await text(child.stdout);
  return said
    .trim()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as string);
}

/** The page that a browser gets, with its scripts. */
async function served(): Promise<string> {
  const page = await (await fetch(url, { headers: { accept: "text/html" } })).text();
  const scripts = [...page.matchAll(/src="([^"]+\.js)"/g)].map(([, src]) => fetch(new URL(src!, url)));
  return [page, ...(await Promise.all((await Promise.all(scripts)).map((script) => script.text())))].join("\n");
}

test("a build ends with its launcher, however that ends", async () => {
  await writeFile(join(root, "dashboard/src/main.ts"), `document.title = "for ever";`);
  const launcher = spawn(process.execPath, [...NODE_FLAGS, join(root, "prepare.ts")], { stdio: "ignore" });
  onTestFinished(() => void launcher.kill("SIGKILL"));
  const readPid = () => readFile(join(root, "dashboard/pid"), "utf8").catch(() => "");
  await expect.poll(readPid, { timeout: 60_000 }).not.toBe("");
  const pid = Number(await readPid());
  onTestFinished(() => end(pid));
  expect(isThere(pid)).toBe(true);
  launcher.kill("SIGKILL");
  await expect.poll(() => isThere(pid), { timeout: 30_000 }).toBe(false);
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function end(pid: number): void {
  if (isThere(pid)) process.kill(pid, "SIGKILL");
}

const BROKEN = `import "./nothing.ts";`;
const BEGUN = "building the pages of the dashboard; the API does not wait for them";
const FAILED = /^the API works without the pages of the dashboard: The build of the dashboard ended with status 1\.\n/;

test("a build that fails says why, costs no more than the pages, and leaves nothing half done", async () => {
  const [begun, failed, ...more] = await prepare(BROKEN);
  expect([begun, more]).toEqual([BEGUN, []]);
  expect(failed).toMatch(FAILED);
  expect(failed).toContain("Could not resolve './nothing.ts' in src/main.ts");
  for (const noise of ["\u001b", "node_modules", "Getter"]) expect(failed).not.toContain(noise);
  expect(await served()).toMatch(
    /The pages could not be built<\/h1><p>The build of the dashboard ended with status 1\. Standard error of <code>warren up<\/code> says why\. The API works all the same\./,
  );
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect((await readdir(join(root, ".warren/dashboard"))).sort()).toEqual(["failed", "lock"]);
});

test("the next start builds anew what has failed, and pages that were built are served while newer ones fail", async () => {
  expect((await prepare(BROKEN))[1]).toMatch(FAILED);
  expect(await prepare(`document.title = "the first";`)).toEqual([BEGUN, "the pages of the dashboard are built"]);
  expect(await served()).toContain("the first");
  expect((await prepare(BROKEN))[1]).toMatch(FAILED);
  expect(await served()).toContain("the first");
  // Back at what is built, there is nothing to build and nothing to say.
  expect(await prepare(`document.title = "the first";`)).toEqual([]);
  expect(await served()).toContain("the first");
  expect(
    (await readdir(join(root, ".warren/dashboard"))).filter((name) => !/^[a-f0-9]{32}$/.test(name)).sort(),
  ).toEqual(["current", "lock"]);
});
