import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "./support/stack.ts";

const run = promisify(execFile);

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** A REST call as any client makes it. */
async function call(stack: Stack, method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(stack.url + path, {
    method,
    headers: {
      "x-api-key": stack.apiKey,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : undefined };
}

describe("a sandbox", () => {
  let stack: Stack;
  let sandbox: Sandbox;
  beforeAll(async () => {
    stack = await startStack();
    sandbox = await stack.warren.sandboxes.create({ memoryMb: 256, env: { GREETING: "hello" } });
  });
  afterAll(() => stack?.dispose());

  const sh = (script: string, options = {}) => sandbox.exec("sh", ["-c", script], options);

  it("runs a program in a system of its own", async () => {
    const { stdout, exitCode } = await sandbox.exec("python3", [
      "-c",
      "import os; print(sum(range(101)), os.getuid())",
    ]);
    expect(stdout).toBe("5050 1000\n");
    expect(exitCode).toBe(0);
    expect((await sh("uname -r")).stdout).toContain("cloud");
  });

  it("is listed with what it was made with, and found by its id", async () => {
    const listed = await call(stack, "GET", "/v1/sandboxes");
    expect(listed.status).toBe(200);
    expect(listed.body).toHaveLength(1);
    expect(listed.body[0]).toMatchObject({
      id: sandbox.id,
      status: "running",
      template: "minimal",
      vcpus: 1,
      memory_mb: 256,
      timeout_sec: 0,
    });
    expect((await call(stack, "GET", `/v1/sandboxes/${sandbox.id}`)).body).toMatchObject({ id: sandbox.id });
    expect((await call(stack, "POST", `/v1/sandboxes/${sandbox.id}/ping`)).status).toBe(204);
  });

  it("gives the environment to every command, and a command's own on top", async () => {
    expect((await sh('echo "$GREETING $WHO $WARREN_SANDBOX_ID"', { env: { WHO: "world" } })).stdout).toBe(
      `hello world ${sandbox.id}\n`,
    );
  });

  it("runs as the user, in the directory and with the home that were asked for", async () => {
    expect((await sh("id -un; pwd; echo $HOME; sudo id -un")).stdout).toBe("user\n/home/user\n/home/user\nroot\n");
    expect((await sh("id -un; pwd; echo $HOME", { user: "root", cwd: "/etc" })).stdout).toBe("root\n/etc\n/root\n");
    const unknown = await call(stack, "POST", `/v1/sandboxes/${sandbox.id}/exec`, { cmd: "id", user: "nobody-here" });
    expect(unknown).toMatchObject({ status: 400, body: { error: { code: "invalid_request" } } });
    expect(unknown.body.error.message).toContain("nobody-here");
  });

  it("keeps stdout and stderr apart and returns the command's own exit status", async () => {
    const result = await sh("echo out; echo err >&2; exit 7");
    expect(result).toMatchObject({ stdout: "out\n", stderr: "err\n", exitCode: 7 });
  });

  it("says that a command does not exist, with status 127", async () => {
    const result = await sandbox.exec("no-such-program", []);
    expect(result.exitCode).toBe(127);
    expect(result.stderr).toContain("no-such-program");
    expect(result.stderr).toContain("not found");
  });

  it("ends a command whose time is up and says so", async () => {
    const { body } = await call(stack, "POST", `/v1/sandboxes/${sandbox.id}/exec`, {
      cmd: "sleep",
      args: ["600"],
      timeout_sec: 1,
    });
    expect(body).toMatchObject({ timed_out: true, exit_code: 143, signal: "SIGTERM" });
  });

  it("feeds standard input, and closes it", async () => {
    const { body } = await call(stack, "POST", `/v1/sandboxes/${sandbox.id}/exec`, {
      cmd: "sh",
      args: ["-c", "wc -c; echo end"],
      stdin: "12345",
    });
    expect(body.stdout).toBe("5\nend\n");
  });

  it("mangles no byte of binary output", async () => {
    const { stdoutBytes } = await sandbox.exec("python3", [
      "-c",
      "import sys; sys.stdout.buffer.write(bytes(range(256)) * 1000)",
    ]);
    expect(Buffer.from(stdoutBytes).equals(Buffer.concat(Array(1000).fill(Buffer.from([...Array(256).keys()]))))).toBe(
      true,
    );
  });

  it("cuts output beyond the limit and says so, and the sandbox goes on", async () => {
    const { status, body } = await call(stack, "POST", `/v1/sandboxes/${sandbox.id}/exec`, {
      cmd: "head",
      args: ["-c", String(20 * 1024 * 1024), "/dev/zero"],
      timeout_sec: 120,
    });
    expect(status).toBe(200);
    expect(body.stdout_truncated).toBe(true);
    expect(body.stderr_truncated).toBe(false);
    expect((await sh("echo on")).stdout).toBe("on\n");
  });

  it("takes files in and gives them back byte for byte, whatever they hold and however long they are", async () => {
    const content = randomBytes(8 * 1024 * 1024 + 1);
    await sandbox.writeFile("/home/user/data/random.bin", content);
    expect((await sandbox.readFile("/home/user/data/random.bin")).equals(content)).toBe(true);
    const hash = createHash("sha256").update(content).digest("hex");
    expect((await sh("sha256sum < /home/user/data/random.bin; stat -c %U:%a /home/user/data/random.bin")).stdout).toBe(
      `${hash}  -\nuser:644\n`,
    );
    await sandbox.writeFile("/home/user/empty", "");
    expect(await sandbox.readFile("/home/user/empty")).toHaveLength(0);
  });

  it("streams files without holding them", async () => {
    const part = randomBytes(1024 * 1024);
    async function* content() {
      for (let i = 0; i < 32; i++) yield part;
    }
    await sandbox.upload("/tmp/streamed", content());
    const hash = createHash("sha256");
    for await (const chunk of await sandbox.download("/tmp/streamed")) hash.update(chunk);
    const expected = createHash("sha256");
    for (let i = 0; i < 32; i++) expected.update(part);
    expect(hash.digest("hex")).toBe(expected.digest("hex"));
  });

  it("keeps nothing of an upload that is given up in its middle, and ends a download that is", async () => {
    // What is received has no name until it is whole.
    const receiving = async () => (await sh("ls -l /proc/1/fd | grep -c '/tmp/#'", { user: "root" })).stdout;
    async function* broken() {
      for (let i = 0; i < 5; i++) yield randomBytes(1024 * 1024 - 1);
      await expect.poll(async () => receiving()).toBe("1\n");
      throw new Error("the source is gone");
    }
    await expect(sandbox.upload("/tmp/given-up", broken(), { size: 100_000_000 })).rejects.toThrow(
      "the source is gone",
    );
    await expect.poll(receiving).toBe("0\n");
    expect((await sh("test -e /tmp/given-up; echo $?")).stdout).toBe("1\n");
    await sh("head -c 100000000 /dev/zero > /tmp/zeros");
    const download = await sandbox.download("/tmp/zeros");
    await once(download, "readable");
    const held = async () => (await sh("ls -l /proc/1/fd | grep -c zeros", { user: "root" })).stdout;
    expect(await held()).toBe("1\n");
    download.destroy();
    await expect.poll(held).toBe("0\n");
    expect((await sh("echo on")).stdout).toBe("on\n");
  });

  it("reads files whose length nobody knows beforehand", async () => {
    expect((await sandbox.readFile("/proc/version")).toString()).toMatch(/^Linux version/);
  });

  it.each([
    ["a missing file", "/no/such/file", 404, "file_not_found"],
    ["a file of root", "/etc/shadow", 403, "file_forbidden"],
    ["a directory", "/etc", 400, "invalid_path"],
    ["an endless device", "/dev/zero", 400, "invalid_path"],
    ["a block device", "/dev/vda", 400, "invalid_path"],
    ["a home", "", 400, "invalid_path"],
    ["a path with a zero byte", "/etc/pass\0wd", 400, undefined],
    ["a path without end", `/${"a/".repeat(4096)}`, 400, undefined],
  ])("refuses to read %s", async (_, path, status, code) => {
    const answer = await call(stack, "POST", `/v1/sandboxes/${sandbox.id}/files/read`, { path });
    expect(answer.status).toBe(status);
    if (code) expect(answer.body.error.code).toBe(code);
  });

  it("refuses to read a pipe that nobody writes to, at once", async () => {
    await sh("mkfifo /tmp/pipe");
    expect((await call(stack, "POST", `/v1/sandboxes/${sandbox.id}/files/read`, { path: "/tmp/pipe" })).status).toBe(
      400,
    );
  });

  it("refuses to write to devices and directories, and leaves them as they were", async () => {
    for (const path of ["/dev/vda", "/dev/null", "/etc"]) {
      await expect(sandbox.writeFile(path, "x"), path).rejects.toMatchObject({ code: "invalid_path" });
    }
    expect((await sh("test -d /etc && test -c /dev/null && test -b /dev/vda && echo fine")).stdout).toBe("fine\n");
  });

  it("reads files with the rights of the user that is named, and says what they refuse", async () => {
    expect((await sandbox.readFile("/etc/shadow", { user: "root" })).toString()).toContain("root:");
    await expect(sandbox.readFile("/proc/self/mem", { user: "root" })).rejects.toMatchObject({ code: "file_error" });
    await expect(sandbox.writeFile("/proc/sys/kernel/domainname", "x")).rejects.toMatchObject({
      code: "file_forbidden",
    });
    await sandbox.writeFile("/proc/sys/kernel/domainname", "warren", { user: "root" });
    expect((await sandbox.readFile("/proc/sys/kernel/domainname")).toString()).toBe("warren\n");
    await sandbox.exec("ln", ["-s", "/home/user/victim", "/tmp/trap"]);
    await expect(sandbox.writeFile("/tmp/trap", "x", { user: "root" })).rejects.toMatchObject({
      code: "file_forbidden",
      message: expect.stringContaining("a link of another user"),
    });
  });

  it("reads a file of the kernel that is a queue as far as it is filled, and holds nothing of it open", async () => {
    const descriptors = async () =>
      (await sandbox.exec("sh", ["-c", "ls /proc/1/fd | wc -l"], { user: "root" })).stdout;
    const before = await descriptors();
    for (let round = 0; round < 3; round++) await sandbox.readFile("/proc/kmsg", { user: "root" });
    expect(await descriptors()).toBe(before);
  });

  it("writes a file with its mode and time, into a directory by its own name, and replaces it whole or not at all", async () => {
    const modifiedAt = new Date("2001-02-03T04:05:06.789Z");
    await sandbox.files.write("/tmp/", "#!/bin/sh\necho ran", { name: "program", mode: 0o755, modifiedAt });
    expect((await sandbox.exec("/tmp/program")).stdout).toBe("ran\n");
    const odd = ['a"b', "a%22b", "c\\d", "line\nbreak\r", "-x", "ü €"];
    for (const name of odd) await sandbox.files.write("/tmp/odd/", name, { name });
    const named: string[] = [];
    for await (const { name } of sandbox.files.list("/tmp/odd")) named.push(name);
    expect(named.sort()).toEqual(odd.sort());
    for (const name of odd) expect((await sandbox.readFile(`/tmp/odd/${name}`)).toString()).toBe(name);
    const { content, ...file } = await sandbox.files.open("/tmp/program");
    content.destroy();
    expect(file).toEqual({ size: 18, mode: 0o755, modifiedAt });
    const broken = async function* () {
      yield Buffer.alloc(3_000_000, "x");
      throw new Error("the source failed");
    };
    await expect(sandbox.upload("/tmp/program", broken())).rejects.toThrow("the source failed");
    const uploads = ["a", "b", "c", "d"].map((letter) => sandbox.upload("/tmp/raced", Buffer.alloc(2_000_000, letter)));
    await Promise.all(uploads);
    expect((await sh("/tmp/program; tr -s abcd </tmp/raced | wc -c; ls -A /tmp | grep -c warren-")).stdout).toBe(
      "ran\n1\n0\n",
    );
  });

  it("lists, describes, makes, moves and removes files and directories with the rights of the user", async () => {
    const { files } = sandbox;
    await files.mkdir("/tmp/tree/deep", { parents: true });
    await files.mkdir("/tmp/tree/deep", { parents: true });
    await files.write("/tmp/tree/deep/file", "12345", { mode: 0o640 });
    await files.write("kept", "kept");
    await sandbox.exec("ln", ["-s", "deep/file", "/tmp/tree/link"]);
    const entries = await collect(files.list("/tmp/tree", { depth: 2 }));
    expect(entries.map(({ path, type, target }) => [path, type, target])).toEqual([
      ["/tmp/tree/deep", "directory", undefined],
      ["/tmp/tree/deep/file", "file", undefined],
      ["/tmp/tree/link", "symlink", "deep/file"],
    ]);
    expect(await files.stat("/tmp/tree/deep/file")).toMatchObject({
      size: 5,
      mode: 0o640,
      owner: "user",
      group: "user",
    });
    expect(await files.stat("/tmp")).toMatchObject({ mode: 0o1777 });
    expect(await files.move("/tmp/tree/link", "/tmp/tree/deep")).toMatchObject({ path: "/tmp/tree/deep/link" });
    for (const [action, code] of [
      [() => files.mkdir("/tmp/tree/deep"), "already_exists"],
      [() => files.mkdir("/tmp/no/such"), "file_not_found"],
      [() => files.mkdir("/etc/mine"), "file_forbidden"],
      [() => files.stat("/tmp/absent"), "file_not_found"],
      [() => files.move("/tmp/tree/deep/file", "/tmp/tree/deep/link"), "already_exists"],
      [() => files.remove("/tmp/tree"), "conflict"],
      [() => files.remove("/etc/passwd"), "file_forbidden"],
      [() => files.remove("/home/user", { recursive: true }), "file_forbidden"],
      [() => collect(files.list("/root")), "file_forbidden"],
      [() => collect(files.list("/etc/passwd")), "invalid_path"],
    ] as const) {
      await expect(action()).rejects.toMatchObject({ code });
    }
    expect(await files.read("kept")).toEqual(Buffer.from("kept"));
    await sandbox.exec("ln", ["-s", "/not/there", "/tmp/tree/astray"]);
    await expect(files.write("/tmp/tree/astray", "x")).rejects.toThrow(/link to '\/not\/there', whose directory/);
    const descend = 'for level in $(seq 60); do mkdir "$0" && cd -P "$0" || exit; done; touch end';
    await sh(`mkdir /tmp/far && cd /tmp/far && sh -c '${descend}' "$(printf %0200d 0)"`);
    const far = await collect(files.list("/tmp/far", { depth: 64 }));
    expect(far.map(({ path }) => path.length)).toEqual(
      Array.from({ length: 61 }, (_, level) => (level < 60 ? 209 + 201 * level : 12_072)),
    );
    await files.remove("/tmp/far", { recursive: true });
    await sh("mkdir /tmp/many && cd /tmp/many && seq 1 2500 | xargs touch");
    const many = await collect(files.list("/tmp/many"));
    expect(new Set(many.map(({ name }) => name)).size).toBe(2500);
    for (const path of ["/tmp/many", "/tmp/tree", "/tmp/tree"]) await files.remove(path, { recursive: true });
    await expect(files.remove("/tmp/tree")).rejects.toMatchObject({ code: "file_not_found" });
  });

  it("has ids and a name of its own, as a copy has too, speaks UTF-8, and takes root's commands without accounts", async () => {
    const ids = async (of: Sandbox) =>
      (await of.exec("sh", ["-c", "cat /etc/machine-id /proc/sys/kernel/random/boot_id /etc/hostname"])).stdout.split(
        "\n",
      );
    expect((await sh("printf 'äöü' | wc -m; echo $LANG")).stdout).toBe("3\nC.UTF-8\n");
    const own = await ids(sandbox);
    expect(own).toEqual([
      expect.stringMatching(/^[0-9a-f]{32}$/),
      expect.stringMatching(/^[0-9a-f-]{36}$/),
      sandbox.id,
      "",
    ]);
    const [copy] = await sandbox.fork();
    if (!copy || copy instanceof Error) throw copy;
    try {
      const others = await ids(copy);
      for (const line of [0, 1, 2]) expect(others[line]).not.toBe(own[line]);
      expect(await ids(sandbox)).toEqual(own);
      await copy.exec("rm", ["/etc/passwd", "/etc/group"], { user: "root" });
      expect((await copy.exec("id", ["-u"], { user: "root" })).stdout).toBe("0\n");
    } finally {
      await copy.destroy();
    }
  });

  it("keeps a path with .. inside the sandbox", async () => {
    await sandbox.writeFile("../../../../../../tmp/escaped", "inside");
    expect((await sh("cat /tmp/escaped")).stdout).toBe("inside");
    const passwd = await sandbox.readFile("/home/../../../../etc/passwd");
    expect(passwd.toString()).toContain("/home/user");
  });

  it("streams output and input of a command as they come", async () => {
    const process = await sandbox.stream(
      "sh",
      ["-c", "echo first; read line; echo got $line; echo problem >&2; exit 3"],
      {
        stdin: true,
      },
    );
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    process.stdout.on("data", (chunk) => {
      if (out.length === 0) process.stdin.end("word\n");
      out.push(chunk);
    });
    process.stderr.on("data", (chunk) => err.push(chunk));
    expect(await process.exit).toMatchObject({ exitCode: 3 });
    expect(Buffer.concat(out).toString()).toBe("first\ngot word\n");
    expect(Buffer.concat(err).toString()).toBe("problem\n");
  });

  it.each([
    ["an unknown template", { template: "nope" }, 404, "nope"],
    ["no vCPU", { vcpus: 0 }, 400, "body/vcpus"],
    ["too many vCPUs", { vcpus: 4096 }, 400, "body/vcpus"],
    ["half a vCPU", { vcpus: 0.5 }, 400, "body/vcpus"],
    ["too little memory", { memory_mb: 1 }, 400, "body/memory_mb"],
    ["too much memory", { memory_mb: 10_000_000 }, 400, "body/memory_mb"],
    ["a number as text", { memory_mb: "256" }, 400, "body/memory_mb"],
    ["a negative timeout", { timeout_sec: -1 }, 400, "body/timeout_sec"],
    ["an unknown field", { memory: 256 }, 400, "memory"],
    ["a body that is no object", [], 400, "body"],
    ["a body that is no JSON", "{", 400, ""],
  ])("is not made from %s", async (_, body, status, text) => {
    const answer = await call(stack, "POST", "/v1/sandboxes", body);
    expect(answer.status).toBe(status);
    expect(answer.body.error.message).toContain(text);
    expect((await call(stack, "GET", "/v1/sandboxes")).body).toHaveLength(1);
  });

  it("is not made from a body beyond the limit", async () => {
    // The server answers before it has read everything, and closes: curl takes the answer, as most clients do.
    await writeFile(join(stack.directory, "large.json"), JSON.stringify({ env: { A: "x".repeat(5 * 1024 * 1024) } }));
    const arguments_ = ["-sS", "-o", "-", "-w", "\\n%{http_code}", "-H", `X-API-Key: ${stack.apiKey}`];
    const body = ["-H", "Content-Type: application/json", "--data-binary", `@${join(stack.directory, "large.json")}`];
    const { stdout } = await run("curl", [...arguments_, ...body, `${stack.url}/v1/sandboxes`]);
    const [text = "", status] = stdout.split("\n");
    expect({ status, ...JSON.parse(text) }).toMatchObject({ status: "413", error: { code: "too_large" } });
  });

  it("is nothing to a caller without a key, or with a wrong one", async () => {
    for (const key of ["", "warren_", `warren_${"0".repeat(40)}`, "x".repeat(10_000)]) {
      const answer = await call(stack, "GET", `/v1/sandboxes/${sandbox.id}`, undefined, { "x-api-key": key });
      expect(answer).toMatchObject({ status: 401, body: { error: { code: "unauthorized" } } });
    }
  });

  it("is not found under another id, nor is an id that is none", async () => {
    expect((await call(stack, "GET", "/v1/sandboxes/sbaaaaaaaaaaaaaaaaaaaa")).status).toBe(404);
    expect((await call(stack, "DELETE", "/v1/sandboxes/sbaaaaaaaaaaaaaaaaaaaa")).status).toBe(404);
    expect((await call(stack, "GET", "/v1/sandboxes/..%2f..%2fetc")).status).toBe(404);
  });

  it("is gone after it was destroyed, with all that it held on the host", async () => {
    const other = await stack.warren.sandboxes.create({ memoryMb: 128 });
    await other.destroy();
    expect(await call(stack, "GET", `/v1/sandboxes/${other.id}`)).toMatchObject({
      status: 200,
      body: { status: "stopped" },
    });
    await expect(other.exec("true")).rejects.toMatchObject({ code: "invalid_state" });
    expect((await call(stack, "GET", "/v1/sandboxes")).body).toHaveLength(1);
  });
});
