import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { CommandTimeoutError, type Sandbox, Warren, WarrenError } from "@warren/sdk";
import { readArchive } from "@warren/server/archive";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Stack, startStack } from "./support/stack.ts";

describe("the client library", () => {
  let stack: Stack;
  let sandbox: Sandbox;
  beforeAll(async () => {
    stack = await startStack();
    sandbox = await stack.warren.sandboxes.create({ memoryMb: 256, env: { GREETING: "hello" } });
  });
  afterAll(() => stack?.dispose());

  test("runs a command with all that it may ask for", async () => {
    const result = await sandbox.exec("sh", ["-c", 'cat; pwd; id -un; echo "$GREETING $WHO" >&2; exit 3'], {
      env: { WHO: "world" },
      cwd: "/tmp",
      user: "root",
      stdin: "input\n",
    });
    expect(result).toMatchObject({
      stdout: "input\n/tmp\nroot\n",
      stderr: "hello world\n",
      exitCode: 3,
    });
    const bytes = await sandbox.exec("cat", [], { stdin: Uint8Array.of(0, 255, 10) });
    expect([...bytes.stdoutBytes]).toEqual([0, 255, 10]);
    const late = await sandbox.exec("sh", ["-c", "echo half; sleep 1000"], { timeoutSec: 3 }).catch((error) => error);
    expect(late).toBeInstanceOf(CommandTimeoutError);
    expect(late.result).toMatchObject({ stdout: "half\n", exitCode: 143, signal: "SIGTERM" });
    const hastened = await sandbox.stream("sleep", ["1000"], { timeoutSec: 500 });
    for (const output of [hastened.stdout, hastened.stderr]) output.resume();
    hastened.setTimeLimit(1);
    expect(await hastened.exit).toEqual({ exitCode: 143, signal: "SIGTERM", timedOut: true });
  });

  test("streams a command whose input depends on its output, and ends it", async () => {
    const process = await sandbox.stream("cat", [], { stdin: true });
    process.stderr.resume();
    const replies = process.stdout.iterator();
    for (const line of ["one\n", "two\n"]) {
      process.stdin.write(line);
      expect(String((await replies.next()).value)).toBe(line);
    }
    process.kill("SIGKILL");
    expect(await process.exit).toMatchObject({ exitCode: 137, signal: "SIGKILL" });
  });

  test("moves files of any size, whole and as streams", async () => {
    const bytes = randomBytes(5_000_000);
    await sandbox.writeFile("/tmp/whole", bytes);
    expect((await sandbox.readFile("/tmp/whole")).equals(bytes)).toBe(true);
    const chunks = Array.from({ length: 50 }, (_, n) => bytes.subarray(n * 100_000, (n + 1) * 100_000));
    await sandbox.upload("/tmp/streamed", Readable.from(chunks), { user: "root" });
    expect((await buffer(await sandbox.download("/tmp/streamed"))).equals(bytes)).toBe(true);
    expect((await sandbox.exec("stat", ["-c", "%U", "/tmp/whole", "/tmp/streamed"])).stdout).toBe("user\nroot\n");
  });

  test("moves directories both ways, with modes, times and links", async () => {
    const local = await mkdtemp(join(tmpdir(), "warren-directory-"));
    onTestFinished(() => rm(local, { recursive: true, force: true }));
    await mkdir(join(local, "closed"));
    await writeFile(join(local, "closed", "program"), Buffer.alloc(2_000_000, "x"), { mode: 0o750 });
    await symlink("closed/program", join(local, "link"));
    await utimes(join(local, "closed"), 1e9, 1e9);
    await chmod(join(local, "closed"), 0o555);
    let sent = 0;
    await sandbox.files.uploadDirectory(local, "up/here", { onProgress: (bytes) => (sent = bytes) });
    expect(sent).toBeGreaterThan(2_000_000);
    const { stdout } = await sandbox.exec("stat", ["-c", "%n %a %U %Y %N", "closed", "closed/program", "link"], {
      cwd: "/home/user/up/here",
    });
    expect(stdout).toMatch(
      /^closed 555 user 1000000000 .*\nclosed\/program 750 user .*\nlink 777 user .*closed\/program/,
    );
    const members: string[] = [];
    for await (const { path } of readArchive(await sandbox.files.openArchive("up/here"))) members.push(path);
    expect(members.sort()).toEqual(["here/", "here/closed/", "here/closed/program", "here/link"]);
    const refused = sandbox.files.writeArchive("/etc/mine", await sandbox.files.openArchive("up/here"));
    await expect(refused).rejects.toMatchObject({ code: "file_forbidden" });
  });

  test("tells errors apart by their code", async () => {
    const { warren, url } = stack;
    const stranger = new Warren({ url, apiKey: `warren_${"0".repeat(40)}` });
    const cases: [() => Promise<unknown>, string][] = [
      [() => sandbox.readFile("/absent"), "file_not_found"],
      [() => sandbox.download("/absent"), "file_not_found"],
      [() => sandbox.writeFile("/tmp", "x"), "invalid_path"],
      [() => warren.sandboxes.get("sbaaaaaaaaaaaaaaaaaaaa"), "not_found"],
      [() => warren.sandboxes.create({ template: "absent" }), "template_not_found"],
      [() => warren.sandboxes.create({ vcpus: 999 }), "invalid_request"],
      [() => stranger.sandboxes.list(), "unauthorized"],
      [
        () => new Warren({ url: "http://127.0.0.1:1", apiKey: "k", retry: { attempts: 1 } }).health(),
        "server_unreachable",
      ],
    ];
    for (const [call, code] of cases) await expect(call()).rejects.toMatchObject({ name: "WarrenError", code });
    stranger.close();
  });

  test("pauses, resumes, copies and makes templates", async () => {
    await sandbox.exec("sh", ["-c", "echo kept >/tmp/kept"]);
    expect((await sandbox.pause()).fields.status).toBe("paused");
    await expect(sandbox.exec("true")).rejects.toMatchObject({ code: "invalid_state" });
    expect((await sandbox.resume({ timeoutSec: 600 })).fields).toMatchObject({ status: "running", timeout_sec: 600 });
    const [copy] = await sandbox.fork();
    if (!copy || copy instanceof WarrenError) throw copy ?? new Error("no copy");
    expect((await copy.exec("cat", ["/tmp/kept"])).stdout).toBe("kept\n");
    await copy.destroy();
    const { templates } = stack.warren;
    expect(await templates.create(sandbox, { name: "kept" })).toMatchObject({ name: "kept", type: "snapshot" });
    expect((await templates.list("snapshot")).map(({ name }) => name)).toEqual(["kept"]);
    await templates.delete("kept");
    expect(await templates.list("snapshot")).toEqual([]);
  });

  test("ends a sandbox, as often as it is asked to", async () => {
    await sandbox.ping();
    expect((await stack.warren.sandboxes.list()).map(({ id }) => id)).toEqual([sandbox.id]);
    const found: string[] = [];
    const wanted = { status: ["running", "paused"], search: sandbox.id.slice(2, 12), template: "minimal" } as const;
    for await (const { id } of stack.warren.sandboxes.each(wanted)) found.push(id);
    expect(found).toEqual([sandbox.id]);
    expect((await stack.warren.sandboxes.stats("5m")).current.running_count).toBe(1);
    await sandbox.destroy();
    await sandbox.destroy();
    expect(await stack.warren.sandboxes.list()).toEqual([]);
  });
});
