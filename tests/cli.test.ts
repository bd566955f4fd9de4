import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, readlink, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeDataDirectory, type Running, run, start, startUp, type UpReady } from "./support/warren-command.ts";

const EXAMPLE = resolve(import.meta.dirname, "../examples/sales-report");

const MIB = 1024 * 1024;

/** Most bytes of memory that a process has had so far (VmHWM of /proc/PID/status); 0 when it is gone. */
function peakMemory(pid: number): number {
  const file = `/proc/${pid}/status`;
  const status = existsSync(file) ? readFileSync(file, "utf8") : "";
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** A word for a shell. */
const quote = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

const sha256 = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");

/** Processes that work on a data directory: servers by their arguments, VMMs by the files that they map. */
function processesOn(directory: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        const known = readFileSync(`/proc/${pid}/cmdline`, "utf8") + readFileSync(`/proc/${pid}/maps`, "utf8");
        return known.includes(directory);
      } catch {
        // It ended meanwhile.
        return false;
      }
    });
}

/** Network slots that host agents below a directory have claimed. */
function slotsBelow(directory: string): string[] {
  const slots = "/run/warren/slots";
  if (!existsSync(slots)) return [];
  return readdirSync(slots).filter((name) => readFileSync(join(slots, name), "utf8").includes(directory));
}

function expectNothingLeft(dataDir: string): void {
  expect(processesOn(dataDir)).toEqual([]);
  expect(slotsBelow(dataDir)).toEqual([]);
  expect(readdirSync(join(dataDir, "runs"))).toEqual(["lock"]);
}

describe("warren run with servers of its own", () => {
  let data: Awaited<ReturnType<typeof makeDataDirectory>>;
  beforeAll(async () => {
    data = await makeDataDirectory();
    // What is built by the first start is said on standard error.
    expect(await run(["build-images", "--data-dir", data.path])).toMatchObject({ status: 0 });
  });
  afterAll(() => data?.remove());

  const ownRun = (...args: string[]) => ["run", "--data-dir", data.path, ...args];

  test("runs two commands side by side, each as if it ran here, and leaves nothing behind", async () => {
    const [hello, failing] = await Promise.all([
      run(ownRun("--", "python3", "-c", "print('hello')")),
      run(ownRun("--memory", "256", "--env", "A=b c", "--", "sh", "-c", 'cat; echo "$A" >&2; exit 3'), {
        input: "some\0input",
      }),
    ]);
    expect(hello).toMatchObject({ status: 0, stderr: "" });
    expect(hello.stdout.toString()).toBe("hello\n");
    expect(failing).toMatchObject({ status: 3, stderr: "b c\n" });
    expect(failing.stdout.toString()).toBe("some\0input");
    expectNothingLeft(data.path);
  });

  test("ends as its signal would have ended it, and takes everything with it", async () => {
    const running = start(ownRun("--", "sh", "-c", "echo started; sleep 1000"));
    await running.printed("started");
    expect(processesOn(data.path)).not.toEqual([]);
    running.child.kill("SIGINT");
    expect(await running.ended).toMatchObject({ status: null, signal: "SIGINT" });
    expectNothingLeft(data.path);
  });

  test("leaves no process when it is killed, and its files go with the next run", async () => {
    const running = start(ownRun("--", "sh", "-c", "echo started; sleep 1000"));
    await running.printed("started");
    const [name] = readdirSync(join(data.path, "runs")).filter((entry) => entry !== "lock");
    running.child.kill("SIGKILL");
    await running.ended;
    // The servers hold the lock until the last of them is gone.
    execFileSync("flock", ["--timeout", "120", join(data.path, "runs", name!, "lock"), "true"]);
    expect(processesOn(data.path)).toEqual([]);
    expect(await run(ownRun("--", "true"))).toMatchObject({ status: 0, stderr: "" });
    expectNothingLeft(data.path);
  });

  test("says what is wrong with its options and files before it starts anything", async () => {
    const cases: [string[], RegExp][] = [
      [["--vcpus", "9", "--", "true"], /--vcpus.*from 1 to 8/],
      [["--memory", "64", "--", "true"], /--memory.*from 128 to 8192/],
      [["--file", join(data.path, "absent:/tmp/x"), "--", "true"], /There is no file/],
      [["--file", `${data.path}:/tmp/x`, "--", "true"], /is a directory/],
      [["--get", `/tmp/x:${data.path}/absent/x`, "--", "true"], /There is no directory/],
      [[], /missing required argument/],
    ];
    for (const [args, message] of cases) {
      const { status, stdout, stderr } = await run(ownRun(...args));
      expect(stderr).toMatch(message);
      expect({ status, stdout: stdout.toString() }).toEqual({ status: 125, stdout: "" });
    }
    const half = await run(["run", "--", "true"], { env: { WARREN_URL: "http://127.0.0.1:1" } });
    expect(half).toMatchObject({ status: 125, stderr: expect.stringContaining("WARREN_API_KEY is not") });
  });
});

describe("warren up", () => {
  let data: Awaited<ReturnType<typeof makeDataDirectory>>;
  let up: Running & { ready: UpReady };
  let server: { WARREN_URL: string; WARREN_API_KEY: string };
  /** A sandbox for the commands that need one. */
  let id: string;

  beforeAll(async () => {
    data = await makeDataDirectory();
    up = await startUp(data.path);
    server = { WARREN_URL: up.ready.url, WARREN_API_KEY: up.ready.api_key };
    const created = await fetch(`${up.ready.url}/v1/sandboxes`, {
      method: "POST",
      headers: { "X-API-Key": up.ready.api_key, "Content-Type": "application/json" },
      body: JSON.stringify({ memory_mb: 256 }),
    });
    ({ id } = (await created.json()) as { id: string });
  });
  afterAll(async () => {
    up?.child.kill("SIGTERM");
    await up?.ended;
    await data?.remove();
  });

  const exec = (words: string[], input?: Buffer | string, options: string[] = []) =>
    run(["exec", ...options, id, "--", ...words], { env: server, ...(input === undefined ? {} : { input }) });
  const statusOf = async (...words: string[]) => (await exec(words)).status;

  test("prints one line of JSON, and keeps the key for root alone", async () => {
    expect(Object.keys(up.ready).sort()).toEqual(["api_key", "docs_url", "notes", "setup_url", "url"]);
    expect((await fetch(up.ready.docs_url)).status).toBe(200);
    expect(up.ready.setup_url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/setup#token=[\w-]{43}$/);
    const credentials = join(data.path, "credentials.json");
    expect(JSON.parse(await readFile(credentials, "utf8")).api_key).toBe(up.ready.api_key);
    expect((await stat(credentials)).mode & 0o777).toBe(0o600);
  });

  test("is refused on a data directory that has a server, and on a port that is taken", async () => {
    const second = await run(["up", "--data-dir", data.path, "--listen", "127.0.0.1:0"]);
    expect(second).toMatchObject({ status: 1, stderr: expect.stringContaining(up.ready.url) });
    expect(second.stdout).toHaveLength(0);
    const other = await makeDataDirectory();
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const refused = await run(["up", "--data-dir", other.path, "--listen", `127.0.0.1:${port}`]);
    taken.close();
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(new RegExp(`^warren: .*${port}.*in use.*--listen`));
    expect(readdirSync(other.path).sort()).toEqual(["cache", "images", "lock"]);
    expect(processesOn(other.path)).toEqual([]);
    await other.remove();
  });

  test("has sandboxes that the commands of this machine list, and end", async () => {
    const listed = await run(["ps", "--data-dir", data.path]);
    expect(listed.stdout.toString()).toMatch(new RegExp(`^ID .*\n${id} +running +minimal +1 +256 MiB `));
    const json = JSON.parse((await run(["ps", "--json"], { env: server })).stdout.toString());
    expect(json).toHaveLength(1);
    expect(json[0]).toMatchObject({ id, status: "running" });
    const unknown = "sbaaaaaaaaaaaaaaaaaaaa";
    expect(await run(["rm", unknown], { env: server })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("not_found"),
    });
  });

  test("gives a command's own status, 128 + n for a signal, 124 for a timeout, 127 for no command", async () => {
    expect(await statusOf("true")).toBe(0);
    expect(await statusOf("sh", "-c", "exit 42")).toBe(42);
    expect(await statusOf("sh", "-c", "kill -SEGV $$")).toBe(139);
    expect(await exec(["no-such-command"])).toMatchObject({
      status: 127,
      stderr: expect.stringContaining("not found"),
    });
    expect((await exec(["sleep", "1000"], undefined, ["--timeout", "1"])).status).toBe(124);
  });

  test("gives a command the terminal that it is run from: its size, its keys, and the status", async () => {
    const gate = join(data.path, "gate");
    execFileSync("mkfifo", [gate]);
    const remote = "trap 'echo got-int' INT; trap 'stty size; exit 7' WINCH; stty size; while :; do sleep 1; done";
    // The terminal of script(1) is made smaller once the gate opens.
    const local = `stty rows 33 cols 101; (read -r _ <"$2"; stty rows 44 cols 90 </dev/tty) & exec "$0" exec "$1" -it -- sh -c "$3"`;
    const line = ["bash", "-c", local, resolve(import.meta.dirname, "../warren"), id, gate, remote];
    const terminal = spawn("script", ["-qec", line.map(quote).join(" "), "/dev/null"], {
      env: { ...process.env, ...server },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const closed = once(terminal, "close");
    let shown = "";
    for await (const piece of terminal.stdout.setEncoding("utf8") as AsyncIterable<string>) {
      const before = shown;
      shown += piece;
      const first = (text: string) => shown.includes(text) && !before.includes(text);
      if (first("33 101")) terminal.stdin.write("\x03");
      if (first("got-int")) await writeFile(gate, "\n");
    }
    expect(shown).toContain("44 90");
    expect((await closed)[0]).toBe(7);
    const pipe = await exec(["true"], "input", ["-it"]);
    expect(pipe).toMatchObject({ status: 125, stderr: expect.stringContaining("leave -t out") });
  });

  test("shows what a Python program prints at once, without a terminal too", async () => {
    const script = "import sys; print('first'); sys.stdin.read(); print('last')";
    const warren = resolve(import.meta.dirname, "../warren");
    const python = spawn(warren, ["exec", id, "--", "python3", "-c", script], { env: { ...process.env, ...server } });
    // Its input ends only once its first line has come.
    python.stdout.once("data", () => python.stdin.end());
    let shown = "";
    for await (const piece of python.stdout.setEncoding("utf8") as AsyncIterable<string>) shown += piece;
    expect(shown).toBe("first\nlast\n");
  });

  test("does with sandboxes by their names all that can be done with them", async () => {
    const warren = async (...args: string[]) => {
      const { status, stdout, stderr } = await run(args, { env: server });
      if (status !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
      return stdout.toString().trim();
    };
    const box = await warren("create", "--name", "box", "--memory", "256", "--metadata", "job=5");
    expect(box).toMatch(/^sb/);
    await warren("exec", "box", "--", "sh", "-c", "echo kept >/tmp/kept");
    expect(await warren("ls", "--metadata", "job=5")).toMatch(new RegExp(`\n${box} +box +running `));
    expect(await warren("pause", "box")).toBe("box");
    expect(await warren("update", "box", "--timeout", "900", "--auto-resume")).toBe("");
    expect(await warren("resume", "box", "--timeout", "800")).toBe("box");
    await warren("exec", "box", "--", "sh", "-c", "echo lost >/tmp/kept");
    expect(await warren("rollback", "box")).toBe("box");
    expect(await warren("resume", "box")).toBe("box");
    const copy = await warren("fork", "box");
    expect(await warren("exec", copy, "--", "cat", "/tmp/kept")).toBe("kept");
    expect(await warren("templates", "create", "box", "kept")).toBe("kept");
    expect(await run(["snapshot", "box", "kept"], { env: server })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("--overwrite"),
    });
    expect(await warren("templates", "ls")).toMatch(/^NAME +TYPE .*\n[\s\S]*^kept +snapshot +1 +256 MiB +\d+ MiB /m);
    expect(await warren("templates", "rm", "kept")).toBe("kept");
    expect((await warren("templates", "ls", "-q")).split("\n")).not.toContain("kept");
    expect(await run(["templates", "rm", "kept", "minimal"], { env: server })).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /kept: .*not_found[\s\S]*minimal: .*built-in|minimal: .*built-in[\s\S]*kept: .*not_found/,
      ),
    });
    expect(await run(["create", "--template", "kept"], { env: server })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("warren templates ls"),
    });
    const fields = JSON.parse(await warren("ps", "--json", "--metadata", "job=5"));
    expect(fields.find((sandbox: { name?: string }) => sandbox.name === "box")).toMatchObject({
      timeout_sec: 800,
      auto_resume: true,
    });
    await warren("rm", "box", copy);
    expect(await run(["exec", "box", "--", "true"], { env: server })).toMatchObject({
      status: 125,
      stderr: expect.stringMatching(
        /The sandbox box \(sb\w+\) has ended: it was destroyed, asked for by .+ \(invalid_state\)/,
      ),
    });
    expect(await run(["exec", "nobody", "--", "true"], { env: server })).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("no such sandbox: nobody"),
    });
  });

  test("passes any bytes through, and keeps the two outputs apart", async () => {
    const bytes = randomBytes(2_000_000);
    const both = await exec(["sh", "-c", "for i in 1 2 3; do printf out$i; printf err$i >&2; done; cat"], "in");
    expect(both).toMatchObject({ status: 0, stderr: "err1err2err3" });
    expect(both.stdout.toString()).toBe("out1out2out3in");
    expect(sha256((await exec(["cat"], bytes)).stdout)).toBe(sha256(bytes));
  });

  test("ends a command whose output nobody reads any more", async () => {
    const script = `"$0" exec "$1" -- sh -c 'echo $$ >/tmp/pid; exec yes' | head -n 1; echo \${PIPESTATUS[0]}`;
    const warren = resolve(import.meta.dirname, "../warren");
    const { stdout } = spawnSync("bash", ["-c", script, warren, id], {
      env: { ...process.env, ...server },
      encoding: "utf8",
    });
    expect(stdout).toBe("y\n141\n");
    expect(await statusOf("sh", "-c", 'while kill -0 "$(cat /tmp/pid)" 2>/dev/null; do sleep 0.1; done')).toBe(0);
  });

  test("holds a command back while its output is not read, in bounded memory", async () => {
    const size = 160 * MIB;
    const reader = start(["exec", id, "--", "head", "-c", String(size), "/dev/zero"], { env: server, unread: true });
    const output = reader.child.stdout!;
    await once(output, "readable");
    const before = peakMemory(reader.pid);
    // While nobody reads, the rest of the world goes on.
    for (let other = 0; other < 3; other++) expect(await statusOf("true")).toBe(0);
    let received = 0;
    let peak = before;
    for await (const chunk of output as AsyncIterable<Buffer>) {
      received += chunk.length;
      peak = peakMemory(reader.pid) || peak;
    }
    expect(await reader.ended).toMatchObject({ status: 0, stderr: "" });
    expect(received).toBe(size);
    // Far less than the output; what the collector of garbage lets stand counts as well.
    expect(peak - before).toBeLessThan(size / 2);
  });

  test("copies files both ways, byte for byte, and says what is not there", async () => {
    const local = join(data.path, "random");
    const bytes = randomBytes(20_000_000);
    await writeFile(local, bytes, { mode: 0o755 });
    await utimes(local, 1e9, 1e9);
    expect(await run(["cp", local, `${id}:/tmp/copies/`], { env: server })).toMatchObject({ status: 0, stderr: "" });
    expect((await exec(["sha256sum", "/tmp/copies/random"])).stdout.toString()).toContain(sha256(bytes));
    expect(await run(["cp", `${id}:/tmp/copies/random`, `${local}.back`], { env: server })).toMatchObject({
      status: 0,
    });
    expect(sha256(await readFile(`${local}.back`))).toBe(sha256(bytes));
    expect(await stat(`${local}.back`)).toMatchObject({ mode: 0o100755, mtimeMs: 1e12 });
    expect(await run(["cp", local, `${id}:`], { env: server })).toMatchObject({ status: 0, stderr: "" });
    await exec(["mv", "random", "sub"]);
    const home = await run(["files", "ls", "--json", `${id}:`], { env: server });
    expect(JSON.parse(home.stdout.toString())).toContainEqual(expect.objectContaining({ path: "/home/user/sub" }));
    expect(await run(["files", "rm", "-r", `${id}:`], { env: server })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("user's home"),
    });
    expect(await run(["files", "rm", `${id}:sub`], { env: server })).toMatchObject({ status: 0, stderr: "" });
    const absent = await run(["cp", `${id}:/absent`, `${local}.absent`], { env: server });
    expect(absent).toMatchObject({ status: 1, stderr: expect.stringContaining("file_not_found") });
    expect(readdirSync(data.path).filter((name) => name.startsWith("random"))).toEqual(["random", "random.back"]);
  });

  test("copies directories both ways with modes and links, and sees to files by name", async () => {
    const tree = join(data.path, "tree");
    await mkdir(join(tree, "bin"), { recursive: true });
    await writeFile(join(tree, "bin", "hello"), "#!/bin/sh\necho hello\n", { mode: 0o755 });
    await symlink("bin/hello", join(tree, "link"));
    const deep = join("deep", ...Array.from({ length: 70 }, (_, level) => String(level)));
    await mkdir(join(tree, deep), { recursive: true });
    await writeFile(join(tree, deep, "end"), "reached");
    await utimes(join(tree, "bin"), 1e9, 1e9);
    const done = async (...args: string[]) =>
      expect(await run(args, { env: server })).toMatchObject({ status: 0, stderr: "" });
    await done("cp", tree, `${id}:/tmp/trees/`);
    expect((await exec(["/tmp/trees/tree/link"])).stdout.toString()).toBe("hello\n");
    await done("files", "mv", `${id}:/tmp/trees/tree`, "/tmp/moved");
    await done("cp", `${id}:/tmp/moved`, `${tree}.back`);
    expect(await readlink(`${tree}.back/link`)).toBe("bin/hello");
    expect((await stat(`${tree}.back/bin/hello`)).mode).toBe(0o100755);
    expect((await stat(`${tree}.back/bin`)).mtimeMs).toBe(1e12);
    expect(await readFile(join(`${tree}.back`, deep, "end"), "utf8")).toBe("reached");
    expect(
      (await exec(["sh", "-c", "mkdir /tmp/moved/closed; chmod 0 /tmp/moved/closed; ln -s /etc/passwd /tmp/moved/out"]))
        .status,
    ).toBe(0);
    expect(await run(["cp", `${id}:/tmp/moved`, `${tree}.part`], { env: server })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("out leads out of it"),
    });
    expect((await exec(["sh", "-c", "rm /tmp/moved/out"])).status).toBe(0);
    expect(await run(["cp", `${id}:/tmp/moved`, `${tree}.some`], { env: server })).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/moved\/closed: permission denied/),
    });
    for (const [closed, local] of [
      ["/tmp/moved/closed", `${tree}.closed`],
      ["/root/", `${tree}.root`],
    ] as const) {
      expect(await run(["cp", `${id}:${closed}`, local], { env: server })).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`'${closed.replace(/\/$/, "")}': permission denied`),
      });
      await expect(stat(local)).rejects.toMatchObject({ code: "ENOENT" });
    }
    expect((await exec(["sh", "-c", "rmdir /tmp/moved/closed"])).status).toBe(0);
    // Into and out of a system that has no tar, as few of them do.
    expect((await exec(["mv", "/usr/bin/tar", "/usr/bin/tar.away"], undefined, ["--user", "root"])).status).toBe(0);
    await done("cp", tree, `${id}:/tmp/bare`);
    await done("cp", `${id}:/tmp/bare`, `${tree}.bare`);
    expect(await readlink(`${tree}.bare/link`)).toBe("bin/hello");
    expect((await exec(["mv", "/usr/bin/tar.away", "/usr/bin/tar"], undefined, ["--user", "root"])).status).toBe(0);
    const listed = await run(["files", "ls", "--json", `${id}:/tmp/moved`], { env: server });
    const entries = JSON.parse(listed.stdout.toString()) as { name: string }[];
    expect(entries.map(({ name }) => name)).toEqual(["bin", "deep", "link"]);
    await done("files", "rm", "-r", `${id}:/tmp/moved`);
    expect(await run(["files", "stat", `${id}:/tmp/moved`], { env: server })).toMatchObject({ status: 1 });
  });

  test("does the job of the README through the command line and through curl, byte for byte", async () => {
    const directory = join(data.path, "sales report");
    await mkdir(directory);
    const sales = execFileSync(process.execPath, [...NODE_FLAGS, join(EXAMPLE, "generate.mjs"), "100000"], {
      maxBuffer: 2 ** 26,
    });
    await writeFile(join(directory, "sales.csv"), sales);
    const report = await run(
      [
        ...["run", "--file", "sales.csv:/tmp/sales.csv", "--file", `${EXAMPLE}/report.py:/tmp/report.py`],
        ...["--get", "/tmp/summary.json:summary.json", "--get", "/tmp/chart.svg:chart.svg", "--get", "/absent:absent"],
        ...["--", "python3", "/tmp/report.py", "/tmp/sales.csv", "/tmp"],
      ],
      { env: server, cwd: directory },
    );
    expect(report.stdout.toString()).toContain("100000 orders");
    for (const name of ["summary.json", "chart.svg"]) {
      expect(report.stdout.toString()).toContain(`${sha256(await readFile(join(directory, name)))}  ${name}`);
    }
    // One file that is not there is a failure, and no reason to lose the others.
    expect(report).toMatchObject({ status: 125, stderr: expect.stringContaining("/absent") });
    const summary = await readFile(join(directory, "summary.json"));
    expect(JSON.parse(summary.toString()).orders).toBe(100_000);
    await mkdir(join(directory, "curl"));
    execFileSync("sh", [join(EXAMPLE, "with-curl.sh"), join(directory, "sales.csv"), join(directory, "curl")], {
      env: { ...process.env, ...server },
    });
    expect(await readFile(join(directory, "curl/summary.json"))).toEqual(summary);
    expect(await readFile(join(directory, "curl/chart.svg"))).toEqual(await readFile(join(directory, "chart.svg")));
    // Neither of the two sandboxes is there any more.
    expect(JSON.parse((await run(["ps", "--json"], { env: server })).stdout.toString())).toHaveLength(1);
  });

  test("ends the sandbox of a run that was killed, once its lease has run out", async () => {
    const running = start(
      ["run", "--name", "leased", "--memory", "256", "--", "sh", "-c", "echo started; sleep 1000"],
      {
        env: server,
      },
    );
    await running.printed("started");
    running.child.kill("SIGKILL");
    await running.ended;
    const call = async (method: string, path: string, body?: object) => {
      const headers = { "X-API-Key": server.WARREN_API_KEY, "Content-Type": "application/json" };
      const options = { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) };
      return (await fetch(server.WARREN_URL + path, options)).json();
    };
    const [left] = (await call("GET", "/v1/sandboxes?name=leased")) as { id: string; lease_expires_at: string }[];
    expect(Date.parse(left!.lease_expires_at)).toBeLessThanOrEqual(Date.now() + 60_000);
    // The rest of the minute need not be waited for.
    await call("PATCH", `/v1/sandboxes/${left!.id}`, { lease_sec: 1 });
    await expect
      .poll(() => call("GET", `/v1/sandboxes/${left!.id}`), { timeout: 60_000 })
      .toMatchObject({ status: "stopped", reason: { code: "lease_expired" } });
  });

  test("leaves its sandboxes running when it stops, finds them when it starts, and reports a server that dies", async () => {
    await exec(["sh", "-c", "echo kept >/tmp/kept"]);
    up.child.kill("SIGTERM");
    expect(await up.ended).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(`1 running.*'\\S*warren down --data-dir ${data.path}'`),
    });
    expect(existsSync(join(data.path, "server.json"))).toBe(false);
    up = await startUp(data.path);
    server = { WARREN_URL: up.ready.url, WARREN_API_KEY: up.ready.api_key };
    expect((await exec(["cat", "/tmp/kept"])).stdout.toString()).toBe("kept\n");
    const agent = processesOn(`${data.path}/agent.sock`)[0]!;
    process.kill(Number(agent), "SIGKILL");
    const { status, stderr } = await up.ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/host agent ended by SIGKILL/);
    up = await startUp(data.path);
    server = { WARREN_URL: up.ready.url, WARREN_API_KEY: up.ready.api_key };
    expect((await exec(["cat", "/tmp/kept"])).stdout.toString()).toBe("kept\n");
    expect(await run(["pause", id], { env: server })).toMatchObject({ status: 0 });
    const down = await run(["down", "--data-dir", data.path]);
    expect(down.stdout.toString()).toBe(
      `Stopping the server at ${server.WARREN_URL}.\nEnded all sandboxes: 1 paused.\n`,
    );
    expect(await up.ended).toMatchObject({
      status: 0,
      stderr: expect.not.stringContaining("stay without their server"),
    });
    expect(processesOn(data.path)).toEqual([]);
    expect(slotsBelow(data.path)).toEqual([]);
    expect((await run(["down", "--data-dir", data.path])).stdout.toString()).toBe("No sandboxes were left.\n");
    up = await startUp(data.path);
    server = { WARREN_URL: up.ready.url, WARREN_API_KEY: up.ready.api_key };
    await expect
      .poll(async () => (await run(["exec", id, "--", "true"], { env: server })).stderr, { timeout: 60_000 })
      .toMatch(/the sandbox is stopped \(the operator of the server ended all sandboxes\)/);
    up.child.kill("SIGTERM");
    expect((await up.ended).stderr).not.toContain("stay without their server");
  });
});
