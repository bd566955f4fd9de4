import { spawnSync } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const REPOSITORY = join(import.meta.dirname, "../..");
const NOBODY = 65_534;

/** Programs that the launcher itself uses, on every system. */
const BASICS = [
  "bash",
  "env",
  "readlink",
  "dirname",
  "sha256sum",
  "uname",
  "mkdir",
  "sort",
  "flock",
  "sh",
  "grep",
  "tail",
  "basename",
  "chmod",
  "find",
];

/** Programs that a host needs and a minimal system may lack. */
const INSTALLED = [
  "qemu-system-x86_64",
  "qemu-system-aarch64",
  "mmdebstrap",
  "ip",
  "nft",
  "qemu-img",
  "mkfs.ext4",
  "xz",
  "lz4",
];

/** Stands for the real one, which is seen at work by the tests of the commands: copies the program, and counts. */
const BUNDLER = `
  const { appendFileSync, copyFileSync, mkdirSync, writeFileSync } = require("node:fs");
  const root = process.argv[1].replace(/.cli.src.bundle.ts$/, "");
  mkdirSync(root + "/.warren/bundle", { recursive: true });
  copyFileSync(root + "/cli/src/main.ts", root + "/.warren/bundle/cli.js");
  writeFileSync(root + "/.warren/bundle/stamp", root);
  appendFileSync(root + "/.warren/bundled", "x");
`;

let temporary: string;
/** A repository in miniature: the launcher, and a program that prints how it was started. */
let repository: string;

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), "warren launcher "));
  // Readable for the user nobody, as a repository is.
  await chmod(temporary, 0o755);
  repository = join(temporary, "the repository");
  await mkdir(join(repository, "cli/src"), { recursive: true });
  for (const file of ["warren", "cli/bootstrap.sh"]) await copyFile(join(REPOSITORY, file), join(repository, file));
  await writeFile(
    join(repository, "cli/src/main.ts"),
    `const { argv, execArgv: options } = process;
     console.log(JSON.stringify({ options, args: argv.slice(2), cwd: process.cwd() }));
     process.exitCode = 42;\n`,
  );
  await writeFile(join(repository, "cli/src/bundle.ts"), BUNDLER);
  // npm installs a local package as a link, and its program as one in .bin, without a registry.
  await mkdir(join(repository, "vendor"));
  await writeFile(
    join(repository, "vendor/package.json"),
    JSON.stringify({ name: "vendor", version: "1.0.0", bin: { node: "node" } }),
  );
  await writeFile(join(repository, "vendor/node"), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`, { mode: 0o755 });
  const dependencies = { vendor: "file:vendor" };
  await writeFile(join(repository, "package.json"), JSON.stringify({ name: "small", version: "1.0.0", dependencies }));
  await writeFile(
    join(repository, "package-lock.json"),
    JSON.stringify({
      name: "small",
      version: "1.0.0",
      lockfileVersion: 3,
      packages: {
        "": { name: "small", version: "1.0.0", dependencies },
        "node_modules/vendor": { resolved: "vendor", link: true },
        vendor: { version: "1.0.0", bin: { node: "node" } },
      },
    }),
  );
});

afterEach(() => rm(temporary, { recursive: true }));

interface Start {
  program?: string;
  args: string[];
  cwd?: string;
  env?: Record<string, string>;
  uid?: number;
}

function launch({ program = join(repository, "warren"), args, cwd = temporary, env = {}, uid }: Start) {
  const clean = { PATH: process.env.PATH, HOME: temporary, ...env };
  return spawnSync(program, args, {
    cwd,
    env: clean,
    encoding: "utf8",
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
}

/** A PATH with the basics and these programs, each a file's content. */
async function pathWith(programs: Record<string, string>): Promise<string> {
  const bin = join(temporary, "bin");
  await mkdir(bin);
  for (const name of BASICS) {
    const { stdout } = spawnSync("bash", ["-c", `command -v ${name}`], { encoding: "utf8" });
    await symlink(stdout.trim(), join(bin, name));
  }
  for (const [name, content] of Object.entries(programs)) await writeFile(join(bin, name), content, { mode: 0o755 });
  return bin;
}

test("the lock file has an entry for every package that it names, without which npm ci refuses", async () => {
  const { packages } = JSON.parse(await readFile(join(REPOSITORY, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dependencies?: object; optionalDependencies?: object }>;
  };
  const names = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf("node_modules/") + 13)));
  const named = Object.values(packages).flatMap(({ dependencies, optionalDependencies }) =>
    Object.keys({ ...dependencies, ...optionalDependencies }),
  );
  expect(named.filter((name) => !names.has(name))).toEqual([]);
});

describe("the launcher", () => {
  test("installs packages once, says so on standard error, and passes everything on", async () => {
    const link = join(temporary, "a link");
    await symlink(join(repository, "warren"), link);
    const cwd = join(temporary, "else where");
    await mkdir(cwd);
    const args = ["ps", "--", "a b", "$HOME", "", "*", "é\n"];
    const first = launch({ program: link, args, cwd });
    expect(first.stderr).toContain("npm ci");
    expect(first.status).toBe(42);
    expect(JSON.parse(first.stdout)).toEqual({ options: [...NODE_FLAGS], args, cwd });
    const second = launch({ program: link, args, cwd });
    expect(second.stderr).toBe("");
    expect(second.stdout).toBe(first.stdout);
    // A changed lock file is looked at, and one that asks for nothing new costs no installation.
    const lock = join(repository, "package-lock.json");
    await writeFile(lock, `${await readFile(lock, "utf8")}\n`);
    const third = launch({ program: link, args, cwd });
    expect(third.stderr).toBe("");
    expect(third.status).toBe(42);
    await rm(join(repository, "node_modules"), { recursive: true });
    expect(launch({ program: link, args, cwd }).stderr).toContain("npm ci");
  });

  test("installs packages once when it is started twice at a time", async () => {
    const script = `"$0" ps & first=$!; "$0" ps; second=$?; wait $first; echo $? $second >&2`;
    const both = spawnSync("bash", ["-c", script, join(repository, "warren")], { encoding: "utf8" });
    expect(both.stderr).toMatch(/42 42\n$/);
    expect(both.stderr.match(/npm ci/g)).toHaveLength(1);
  });

  test("bundles its programs when their sources have changed, and only then", async () => {
    const bundled = async () => {
      expect(launch({ args: ["ps"] }).status).toBe(42);
      return (await readFile(join(repository, ".warren/bundled"), "utf8")).length;
    };
    expect(await bundled()).toBe(1);
    expect(await bundled()).toBe(1);
    const source = join(repository, "cli/src/other.ts");
    await writeFile(source, "");
    expect(await bundled()).toBe(2);
    await rm(source);
    expect(await bundled()).toBe(3);
    expect(await bundled()).toBe(3);
    const parts = ["contracts", "server", "control-plane", "host-agent", "sdk"];
    for (const [count, part] of parts.entries()) {
      await mkdir(join(repository, part));
      expect(await bundled()).toBe(4 + count);
    }
    // What names the place of its sources is of no use elsewhere.
    const moved = join(temporary, "moved");
    await rename(repository, moved);
    repository = moved;
    expect(await bundled()).toBe(4 + parts.length);
  });

  test("runs its sources where it cannot bundle them", async () => {
    launch({ args: ["ps"] });
    await writeFile(join(repository, "cli/src/bundle.ts"), "throw new Error('no room');\n");
    const owner = launch({ args: ["ps"] });
    expect(owner.status).toBe(42);
    expect(owner.stderr).toMatch(/no room.*could not be bundled/s);
    const other = launch({ args: ["ps"], uid: NOBODY });
    expect(other.status).toBe(42);
    expect(other.stderr).toBe("");
  });

  test("needs no root to talk to a server", () => {
    launch({ args: ["--version"] });
    const env = { WARREN_URL: "http://127.0.0.1:1", WARREN_API_KEY: "warren_x" };
    expect(launch({ args: ["run", "--", "true"], env, uid: NOBODY }).status).toBe(42);
    for (const command of ["ps", "exec", "doctor", "--help"])
      expect(launch({ args: [command], uid: NOBODY }).status).toBe(42);
    for (const command of ["run", "up"]) expect(launch({ args: [command, "--help"], uid: NOBODY }).status).toBe(42);
  });

  test.each([["up"], ["run", "--", "true"], ["build-images"]])("says what needs root: %s", (...args) => {
    const { status, stdout, stderr } = launch({ args, uid: NOBODY });
    expect(status).toBe(77);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/needs root.*namespaces.*packages/);
    expect(stderr.includes("WARREN_URL")).toBe(args[0] === "run");
  });

  test("says that there is no Node", async () => {
    const { status, stderr } = launch({ args: ["ps"], env: { PATH: await pathWith({}) } });
    expect(status).toBe(69);
    expect(stderr).toMatch(/Node\.js 20 or newer is needed/);
  });

  test("says that Node is too old", async () => {
    const { status, stderr } = launch({
      args: ["ps"],
      env: { PATH: await pathWith({ node: "#!/bin/sh\necho v18.20.4\n" }) },
    });
    expect(status).toBe(69);
    expect(stderr).toMatch(/Node\.js 20 or newer is needed.*v18\.20\.4/);
  });

  test("says which packages are needed where there is no apt-get", async () => {
    const { status, stderr } = launch({ args: ["up"], env: { PATH: await pathWith({}) } });
    expect(status).toBe(69);
    expect(stderr).toMatch(/there is no apt-get here: .*qemu-system-\w+ mmdebstrap/);
  });

  test("installs by name what is missing, and fetches package lists only when they lack a name", async () => {
    const log = join(temporary, "apt.log");
    const record = (status: string) => `#!/bin/sh\necho "$(basename "$0") $*" >>'${log}'\n${status}\n`;
    // An apt that knows no package until its lists are fetched, and then installs programs that do nothing.
    const bin = await pathWith({
      "apt-get": record(
        `case "$*" in update*) : >'${temporary}/lists';; *--simulate*) [ -e '${temporary}/lists' ] || exit 100;; *) for p in ${INSTALLED.join(" ")}; do
           printf '#!/bin/sh\\n' >"$(dirname "$0")/$p"; chmod +x "$(dirname "$0")/$p"; done;; esac; echo noise`,
      ),
      go: "#!/bin/sh\necho go version go1.19.8 linux/amd64\n",
    });
    const path = [bin, "/usr/sbin"].join(delimiter);
    for (const name of ["node", "npm"]) {
      await writeFile(join(bin, name), `#!/bin/sh\nPATH='${process.env.PATH}' exec ${name} "$@"\n`, { mode: 0o755 });
    }
    const { status, stdout, stderr } = launch({ args: ["up"], env: { PATH: path } });
    expect(stderr).toMatch(/installing packages: .*mmdebstrap/);
    expect(status).toBe(42);
    // What apt says is on standard error as well.
    expect(stdout).not.toContain("noise");
    const calls = (await readFile(log, "utf8")).trim().split("\n");
    expect(calls.map((call) => (call.includes("--simulate") ? "simulate" : call.split(" ")[1]))).toEqual([
      "simulate",
      "update",
      "install",
    ]);
    expect(calls[2]).toContain("--no-install-recommends");
    expect(launch({ args: ["up"], env: { PATH: path } }).stderr).toBe("");
  });
});
