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
    async function* broken() {
      for (let i = 0; i < 5; i++) yield randomBytes(1024 * 1024 - 1);
      await expect.poll(async () => (await sh("stat -c %s /tmp/given-up")).stdout).toMatch(/^[1-9]/);
      throw new Error("the source is gone");
    }
    await expect(sandbox.upload("/tmp/given-up", broken(), { size: 100_000_000 })).rejects.toThrow(
      "the source is gone",
    );
    await expect.poll(async () => (await sh("test -e /tmp/given-up; echo $?")).stdout).toBe("1\n");
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
    ["a directory", "/etc", 400, "invalid_path"],
    ["an endless device", "/dev/zero", 400, "invalid_path"],
    ["a block device", "/dev/vda", 400, "invalid_path"],
    ["an empty path", "", 400, undefined],
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

  it("is not found under another id, and an id that is none is refused", async () => {
    expect((await call(stack, "GET", "/v1/sandboxes/sbaaaaaaaaaaaaaaaaaaaa")).status).toBe(404);
    expect((await call(stack, "DELETE", "/v1/sandboxes/sbaaaaaaaaaaaaaaaaaaaa")).status).toBe(404);
    expect((await call(stack, "GET", "/v1/sandboxes/..%2f..%2fetc")).status).toBe(400);
  });

  it("is gone after it was destroyed, with all that it held on the host", async () => {
    const other = await stack.warren.sandboxes.create({ memoryMb: 128 });
    await other.destroy();
    expect((await call(stack, "GET", `/v1/sandboxes/${other.id}`)).body?.status ?? "stopped").toBe("stopped");
    await expect(other.exec("true")).rejects.toMatchObject({ code: expect.stringMatching(/not_found|invalid_state/) });
    expect((await call(stack, "GET", "/v1/sandboxes")).body).toHaveLength(1);
  });
});
