import { createHash } from "node:crypto";
import { posix } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Sandbox, SandboxProcess } from "@warren/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "./support/stack.ts";

describe("a command", () => {
  let stack: Stack;
  let sandbox: Sandbox;
  beforeAll(async () => {
    stack = await startStack();
    sandbox = await stack.warren.sandboxes.create({ memoryMb: 256 });
  });
  afterAll(() => stack?.dispose());

  const sh = (script: string, options = {}) => sandbox.exec("sh", ["-c", script], { timeoutSec: 120, ...options });

  /** Words of the command lines of the sandbox's processes that sleep for so long. */
  const sleepers = async (seconds: number) => (await sh(`pgrep -x -a -f 'sleep ${seconds}'`)).stdout;

  it("ends as a whole, by whatever ends it", async () => {
    const timedOut = sh("(setsid sleep 201 >/dev/null 2>&1 </dev/null &); sleep 201 | cat", { timeoutSec: 1 });
    await expect(timedOut).rejects.toMatchObject({ result: { exitCode: 143, signal: "SIGTERM" } });
    expect(await sleepers(201)).toBe("");

    for (const [signal, exitCode] of [
      ["SIGKILL", 137],
      ["SIGINT", 130],
    ] as const) {
      const process = await sandbox.stream("sh", ["-c", "(trap '' INT; sleep 202) & echo up; exec sleep 202"]);
      process.stderr.resume();
      for await (const _ of process.stdout) {
        process.kill(signal);
        break;
      }
      expect(await process.exit).toMatchObject({ exitCode, signal });
      expect(await sleepers(202)).toBe("");
    }

    const leaving = new AbortController();
    const process = await sandbox.stream("sh", ["-c", "sleep 203 | cat"], { signal: leaving.signal });
    process.exit.catch(() => undefined);
    for (const output of [process.stdout, process.stderr]) output.on("error", () => undefined).resume();
    leaving.abort(new Error("the client leaves"));
    await expect.poll(() => sleepers(203), { timeout: 60_000 }).toBe("");
  });

  it("that ends by itself is answered at once, and its jobs live on", async () => {
    const { stdout, exitCode } = await sh("sleep 204 & echo started; exit 3");
    expect({ stdout, exitCode }).toEqual({ stdout: "started\n", exitCode: 3 });
    expect(await sleepers(204)).toContain("sleep 204");
    expect((await sandbox.exec("sh", ["-c", "kill -9 $$"])).exitCode).toBe(137);
  });

  it("that runs out of memory says so, and which process", async () => {
    const { outOfMemory, stdout } = await sh(
      `python3 -c 'import os; print(os.getpid(), flush=True); exec("x = []\\nwhile True: x.append(bytes([1]) * (1 << 20))")'; exit 3`,
    );
    expect(outOfMemory).toEqual({ process: "python3", pid: Number(stdout) });
    expect((await sandbox.exec("tail", ["/dev/zero"])).outOfMemory).toMatchObject({ process: "tail" });
    expect((await sh("kill -9 $$")).outOfMemory).toBeUndefined();
  });

  it("can be signalled and limited though it does not read its input", async () => {
    for (const [act, ended] of [
      [(process: SandboxProcess) => process.kill("SIGINT"), { exitCode: 130, timedOut: false }],
      [(process: SandboxProcess) => process.setTimeLimit(1), { exitCode: 143, timedOut: true }],
    ] as const) {
      const process = await sandbox.stream("sleep", ["205"], { stdin: true });
      for (const output of [process.stdout, process.stderr]) output.resume();
      let written = 0;
      const write = (): void => {
        process.stdin.write(Buffer.alloc(64 * 1024), (error) => {
          if (error) return;
          written += 1;
          write();
        });
      };
      process.stdin.on("error", () => undefined);
      write();
      // Nothing tells that the buffers on the way are full, but that no more is taken.
      for (let before = -1; before !== written; await delay(2000)) before = written;
      act(process);
      expect(await process.exit).toMatchObject(ended);
    }
  });

  it("takes much input, whole", async () => {
    const process = await sandbox.stream("sha256sum", [], { stdin: true });
    process.stderr.resume();
    const input = Buffer.alloc(8 << 20, "0123456789abcdef\n");
    process.stdin.end(input);
    const output = (await process.stdout.toArray()).join("");
    expect(output).toBe(`${createHash("sha256").update(input).digest("hex")}  -\n`);
    expect(await process.exit).toMatchObject({ exitCode: 0 });
  });

  it("that cannot be started because processes are used up is refused with what ran out", async () => {
    const group = posix.dirname((await sh("sed s/0:://p -n /proc/self/cgroup")).stdout.trim());
    const limit = (text: string) =>
      sh(`cat /sys/fs/cgroup${group}/pids.max; echo ${text} > /sys/fs/cgroup${group}/pids.max`, { user: "root" });
    const before = (await limit("0")).stdout.trim();
    await expect(sandbox.exec("true")).rejects.toMatchObject({
      code: "guest_exhausted",
      message: expect.stringContaining("processes are as many as the sandbox may have"),
    });
    await limit(before);
    expect((await sandbox.exec("true")).exitCode).toBe(0);
  });

  it("that forks without end stops neither other commands, nor root's, nor a pause", async () => {
    const bomb = await sandbox.stream("bash", ["-c", "trap '' TERM; b() { b | b & }; b 2>/dev/null; sleep 1000"]);
    bomb.exit.catch(() => undefined);
    for (const output of [bomb.stdout, bomb.stderr]) output.on("error", () => undefined).resume();
    // The bomb has reached its bound once the kernel has refused it a process.
    const group = (await sh(`sed s/0:://p -n /proc/${bomb.pid}/cgroup`)).stdout.trim();
    await sh(`while grep -q 'max 0' /sys/fs/cgroup${group}/pids.events; do sleep 0.2; done`);
    expect((await sandbox.exec("id", ["-un"], { user: "root", timeoutSec: 240 })).stdout).toBe("root\n");
    expect((await sandbox.exec("id", ["-un"], { timeoutSec: 240 })).stdout).toBe("user\n");
    await sandbox.pause();
    await sandbox.resume();
    const kill = await sh(`echo 1 > /sys/fs/cgroup${group}/cgroup.kill`, { user: "root", timeoutSec: 240 });
    expect(kill).toMatchObject({ exitCode: 0 });
  });
});
