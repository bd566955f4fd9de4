import { randomUUID } from "node:crypto";
import { buffer } from "node:stream/consumers";
import type { Sandbox, SandboxProcess, StartedProcess } from "@warren/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Stack, startStack } from "./support/stack.ts";

/** Lines that the command writes, the half of them once it is told to. */
const LINES = 40_000;
const SCRIPT = `seq 1 ${LINES / 2}; while [ ! -e /tmp/go ]; do sleep 0.1; done; seq ${LINES / 2 + 1} ${LINES}; exec sleep 1000`;
const OUTPUT = Array.from({ length: LINES }, (_, line) => `${line + 1}\n`).join("");

describe("a command in the background", () => {
  let stack: Stack;
  let sandbox: Sandbox;
  beforeAll(async () => {
    stack = await startStack();
    sandbox = await stack.warren.sandboxes.create({ memoryMb: 256 });
  });
  afterAll(() => stack?.dispose());

  const call = (method: string, path: string, body?: object) =>
    fetch(`${stack.url}/v1/sandboxes/${sandbox.id}${path}`, {
      method,
      headers: { "x-api-key": stack.apiKey, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });

  /** Reads until so much of the output has come. */
  async function read(process: SandboxProcess, bytes: number): Promise<string> {
    process.stderr.resume();
    const chunks: Buffer[] = [];
    let got = 0;
    for await (const chunk of process.stdout.iterator({ destroyOnReturn: false })) {
      chunks.push(chunk);
      got += chunk.length;
      if (got >= bytes) break;
    }
    return Buffer.concat(chunks).toString();
  }

  test("outlives a client that is cut off and a pause, and tells each reader all of its output once, until it is ended", async () => {
    const started = await call("POST", "/exec", { cmd: "sh", args: ["-c", SCRIPT], background: true, tag: "count" });
    expect(started.status).toBe(202);
    const { pid } = (await started.json()) as StartedProcess;
    expect(started.headers.get("location")).toBe(`/v1/sandboxes/${sandbox.id}/processes/${pid}`);

    const first = await sandbox.processes.attach("count", { from: 0 });
    let seen = await read(first, 10_000);
    first.close();
    // What has arrived before that is there to be read.
    seen += String(await buffer(first.stdout));
    expect(seen.length).toBe(first.offset);
    await expect(first.exit).rejects.toMatchObject({ code: "invalid_state" });

    await sandbox.pause();
    expect((await call("GET", "/processes")).status).toBe(409);
    await sandbox.resume();
    const again = await sandbox.processes.attach(pid, { from: first.offset });
    expect(again).toMatchObject({ pid, tag: "count", dropped: 0, terminal: false });
    const other = await sandbox.processes.attach("count", { from: 0 });
    await sandbox.exec("touch", ["/tmp/go"]);
    const [rest, all] = await Promise.all([read(again, OUTPUT.length - seen.length), read(other, OUTPUT.length)]);
    expect(seen + rest).toBe(OUTPUT);
    expect(all).toBe(OUTPUT);

    const listed = (await sandbox.processes.list()).find((process) => process.pid === pid);
    expect(listed).toMatchObject({ tag: "count", cmd: "sh", user: "user", background: true, terminal: false });
    expect(listed).toMatchObject({ output_bytes: OUTPUT.length, output_from: 0 });
    expect(listed!.memory_bytes).toBeGreaterThan(0);
    expect(listed!.exit).toBeUndefined();
    expect((await call("DELETE", "/processes/count")).status).toBe(204);
    for (const reader of [again, other]) {
      reader.stdout.resume();
      expect(await reader.exit).toEqual({ exitCode: 143, signal: "SIGTERM", timedOut: false });
    }
    const over = await sandbox.processes.get("count");
    expect(over).toMatchObject({ pid, exit: { exit_code: 143, signal: "SIGTERM" } });
    expect(Math.abs(Date.parse(over.exit!.ended_at) - Date.now())).toBeLessThan(600_000);
    await expect(sandbox.processes.end(pid)).rejects.toMatchObject({ code: "process_not_found" });
  });

  test("in a terminal takes input of whoever joins, and is told its size", async () => {
    const terminal = { cols: 100, rows: 30 };
    const { pid } = await sandbox.processes.start(
      "sh",
      ["-c", "stty -echo; stty size; read line; echo got $line; stty size"],
      {
        terminal,
        tag: "shell",
      },
    );
    const joined = await sandbox.processes.attach(pid, { from: 0, reattach: true });
    expect(joined.terminal).toBe(true);
    joined.stderr.resume();
    expect(await read(joined, 1)).toContain("30 100");
    joined.resize({ cols: 90, rows: 20 });
    joined.stdin.write("it\n");
    expect(String(await buffer(joined.stdout))).toMatch(/got it\r\n20 90\r\n/);
    expect(await joined.exit).toMatchObject({ exitCode: 0 });
  });

  test("a command that does not exist, and one that has the tag of another, do not start", async () => {
    const { pid } = await sandbox.processes.start("no-such-command");
    const late = await sandbox.processes.attach(pid, { from: 0 });
    late.stdout.resume();
    expect(String(await buffer(late.stderr))).toContain("no-such-command");
    expect(await late.exit).toMatchObject({ exitCode: 127 });
    const tag = `t${randomUUID()}`;
    await sandbox.processes.start("sleep", ["1000"], { tag });
    await expect(sandbox.processes.start("true", [], { tag })).rejects.toMatchObject({ code: "already_exists" });
    await expect(sandbox.stream("true", [], { tag })).rejects.toMatchObject({ code: "already_exists" });
    await sandbox.processes.signal(tag, "SIGKILL");
    const killed = await sandbox.processes.attach(tag);
    for (const output of [killed.stdout, killed.stderr]) output.resume();
    expect(await killed.exit).toMatchObject({ exitCode: 137, signal: "SIGKILL" });
  });
});
