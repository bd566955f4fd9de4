import { LIMITS } from "@warren/contracts/limits";
import type { ExecResult } from "@warren/contracts/rest/commands";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

let database: TestDatabase;
let stack: TestStack;
let id: string;
beforeAll(async () => {
  database = await createDatabase();
  stack = await TestStack.start(database);
  id = (await stack.createSandbox({ env: { FROM_SANDBOX: "yes" } })).id;
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
});

const call = (request: object, init?: RequestInit) => stack.call("POST", `/v1/sandboxes/${id}/exec`, request, init);

async function exec(request: object): Promise<ExecResult> {
  const response = await call(request);
  expect(response.status).toBe(200);
  return (await response.json()) as ExecResult;
}

const sh = (script: string) => ({ cmd: "sh", args: ["-c", script] });

it("keeps stdout, stderr and the exit status apart", async () => {
  expect(await exec(sh("echo out; echo err >&2; exit 3"))).toMatchObject({
    sandbox_id: id,
    cmd: "sh",
    stdout: "out\n",
    stderr: "err\n",
    exit_code: 3,
    encoding: "utf-8",
    timed_out: false,
    stdout_truncated: false,
    stderr_truncated: false,
  });
});

it("gives the command its arguments as they are, its environment and its directory", async () => {
  expect((await exec({ cmd: "printf", args: ["%s|", "a b", "$HOME", "", "*"] })).stdout).toBe("a b|$HOME||*|");
  expect((await exec({ ...sh("echo $FROM_SANDBOX $MINE"), env: { MINE: "too" } })).stdout).toBe("yes too\n");
  await exec(sh("mkdir -p work"));
  expect((await exec({ ...sh("basename $(pwd)"), cwd: "/work" })).stdout).toBe("work\n");
});

it("feeds standard input, as text and as base64", async () => {
  expect((await exec({ cmd: "cat", stdin: "grüße\n" })).stdout).toBe("grüße\n");
  const bytes = Buffer.from([0, 255, 128, 10]);
  const result = await exec({ cmd: "cat", stdin: bytes.toString("base64"), stdin_encoding: "base64" });
  expect(result.encoding).toBe("base64");
  expect(Buffer.from(result.stdout, "base64")).toEqual(bytes);
});

it("answers 127 and says so when the command does not exist", async () => {
  const result = await exec({ cmd: "no-such-command" });
  expect(result).toMatchObject({ exit_code: 127, stdout: "" });
  expect(result.stderr).toContain("no-such-command");
});

it("gives a command no time limit unless one is asked for", async () => {
  await exec({ cmd: "true" });
  expect(stack.host.guest(id).timeLimit).toBe(0);
  expect(await exec({ cmd: "true", timeout_sec: 1000 })).toMatchObject({ exit_code: 0, timed_out: false });
  expect(stack.host.guest(id).timeLimit).toBe(1_000_000);
});

it("kills a command at its time limit", async () => {
  expect(await exec({ cmd: "sleep", args: ["1000"], timeout_sec: 1 })).toMatchObject({
    exit_code: 143,
    signal: "SIGTERM",
    timed_out: true,
  });
});

it("cuts output at the limit and says so", async () => {
  const result = await exec(sh(`head -c ${LIMITS.execOutputBytes + 1} /dev/zero | tr '\\0' x; echo small >&2`));
  expect(result.stdout.length).toBe(LIMITS.execOutputBytes);
  expect(result).toMatchObject({ stdout_truncated: true, stderr: "small\n", stderr_truncated: false });
});

it("kills the command of a client that hangs up", async () => {
  const client = new AbortController();
  const running = call(sh("echo $$ > pid; exec sleep 1000"), { signal: client.signal });
  const processes = stack.host.guest(id).processes;
  await expect.poll(() => processes.size).toBe(1);
  client.abort();
  await expect(running).rejects.toThrow();
  await expect.poll(() => processes.size).toBe(0);
});

it.each([
  [{}, "body/cmd is required"],
  [{ cmd: "" }, "body/cmd must NOT have fewer than 1 characters"],
  [{ cmd: "a\u0000b" }, "body/cmd must be text without NUL characters"],
  [{ cmd: "a", args: "b" }, "body/args must be array"],
  [{ cmd: "a", args: ["b", 1] }, "body/args/1 must be string"],
  [{ cmd: "a", args: Array(1025).fill("") }, "body/args must NOT have more than 1024 items"],
  [{ cmd: "a", args: ["x".repeat(131_072)] }, "body/args/0 must have at most 131071 bytes"],
  [{ cmd: "a", timeout_sec: -1 }, "body/timeout_sec must be >= 0"],
  [{ cmd: "a", timeout_sec: 2_592_001 }, "body/timeout_sec must be <= 2592000"],
  [{ cmd: "a", cwd: "x".repeat(4096) }, "body/cwd must have at most 4095 bytes"],
  [{ cmd: "a", user: "a:b" }, "body/user must be the name of a user"],
  [{ cmd: "a", stdin: "!", stdin_encoding: "base64" }, "body/stdin must be base64"],
  [{ cmd: "a", stdin_encoding: "hex" }, "body/stdin_encoding must be one of utf-8, base64"],
  [{ cmd: "a", shell: true }, "body/shell is not a known field"],
])("refuses bad request %#", async (body, message) => {
  const error = await errorOf(await call(body));
  expect(error).toMatchObject({ status: 400, code: "invalid_request" });
  expect(error.message).toContain(message);
});

it("refuses standard input over the limit", async () => {
  const error = await errorOf(await call({ cmd: "cat", stdin: "x".repeat(LIMITS.execStdinBytes + 1) }));
  expect(error).toMatchObject({ status: 413, code: "too_large" });
});

it("answers 409 for a sandbox that does not run and 503 when its host is away", async () => {
  const other = await stack.createSandbox();
  await stack.call("DELETE", `/v1/sandboxes/${other.id}`);
  const exec = () => stack.call("POST", `/v1/sandboxes/${other.id}/exec`, { cmd: "true" });
  expect(await errorOf(await exec())).toMatchObject({ status: 409, code: "invalid_state" });

  const cutOff = call({ cmd: "sleep", args: ["1000"] });
  await expect.poll(() => stack.host.guest(id).processes.size).toBe(1);
  await stack.host.hangUp();
  expect(await errorOf(await cutOff)).toMatchObject({ status: 503, code: "host_unavailable" });
  expect(await errorOf(await call({ cmd: "true" }))).toMatchObject({ status: 503, code: "host_unavailable" });
  await stack.host.listen();
  expect((await call({ cmd: "true" })).status).toBe(200);
});

it("has told what the host knows of a guest that does not answer, once a call says that it does not", async () => {
  const { id: silent } = await stack.createSandbox();
  const reason = { code: "guest_hung", message: "its kernel has made no progress for 10 s", atUnixMs: 0n };
  Object.assign(stack.host.guest(silent), { silent: true, reason });
  const error = await errorOf(await stack.call("POST", `/v1/sandboxes/${silent}/exec`, { cmd: "true" }));
  expect(error).toMatchObject({ status: 504, code: "guest_unreachable" });
  const found = await (await stack.call("GET", `/v1/sandboxes/${silent}`)).json();
  expect(found).toMatchObject({ status: "running", reason: { code: "guest_hung" } });
});
