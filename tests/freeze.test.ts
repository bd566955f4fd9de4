import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "@warren/sdk";
import { LocalUser } from "@warren/server/testing/local-user";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listOpenToOthers, readRecords, vmmProcesses } from "./support/host-state.ts";
import { type Stack, startStack } from "./support/stack.ts";

/** Pauses of one sandbox: more than its disk has layers before they are merged. */
const CYCLES = Number(process.env.WARREN_PAUSE_CYCLES ?? 12);

/** A program with an open file, a timer and a TCP listener, which says how it fares. */
const PROGRAM = `
import socket, threading, time
log = open("/tmp/program.log", "a", buffering=1)
count = 0
def tick():
    global count
    while True:
        count += 1
        log.write(f"{count}\\n")
        time.sleep(0.05)
threading.Thread(target=tick, daemon=True).start()
server = socket.create_server(("127.0.0.1", 7000))
while True:
    connection, _ = server.accept()
    connection.sendall(str(count).encode())
    connection.close()
`;
/** Prints what it says. */
const ASK = "timeout 20 cat </dev/tcp/127.0.0.1/7000";

describe("freezing and thawing", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ WARREN_WARM_POOL: "0" });
  });
  afterAll(() => stack?.dispose());

  const call = async (method: string, path: string, body?: object) => {
    const response = await fetch(stack.url + path, {
      method,
      headers: { "x-api-key": stack.apiKey, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : undefined };
  };
  const act = (sandbox: Sandbox, action: string, body?: object) =>
    call("POST", `/v1/sandboxes/${sandbox.id}/${action}`, body);
  const create = (options = {}) => stack.warren.sandboxes.create({ memoryMb: 256, ...options });
  const sh = async (sandbox: Sandbox, script: string) => (await sandbox.exec("sh", ["-c", script])).stdout.trim();
  const ask = async (sandbox: Sandbox) => Number((await sandbox.exec("bash", ["-c", ASK])).stdout);

  it("a running program does not notice pauses, nor restarts and deaths of the host agent between them", {
    timeout: CYCLES * 60_000,
  }, async () => {
    const sandbox = await create();
    await sandbox.writeFile("/tmp/program.py", PROGRAM);
    await sh(
      sandbox,
      "nohup python3 /tmp/program.py >/dev/null 2>&1 & while ! grep -q . /tmp/program.log; do sleep 0.1; done",
    );
    const pid = await sh(sandbox, "pgrep -x python3");
    let last = await ask(sandbox);
    const sums = "cd /home/user && sha256sum file-*";
    let files = "";
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      // On a layer of the disk of its own, which nothing is written over.
      files = await sh(sandbox, `head -c 100000 /dev/urandom >/home/user/file-${cycle}; sync; ${sums}`);
      expect((await act(sandbox, "pause")).body).toMatchObject({ status: "paused" });
      expect(vmmProcesses(stack.directory)).toEqual([]);
      if (cycle % 12 === 3) {
        await stack.hostAgent.kill();
        await stack.startHostAgent();
      }
      if (cycle % 12 === 6 || cycle % 12 === 10) {
        expect(await stack.hostAgent.stop()).toBe(0);
        await stack.startHostAgent();
      }
      expect((await act(sandbox, "resume")).body).toMatchObject({ status: "running" });
      const now = await ask(sandbox);
      expect(now).toBeGreaterThan(last);
      last = now;
    }
    expect(await sh(sandbox, "pgrep -x python3")).toBe(pid);
    // What the disk has of them, whatever the guest remembers.
    await sandbox.exec("sh", ["-c", "echo 3 > /proc/sys/vm/drop_caches"], { user: "root" });
    expect(await sh(sandbox, sums)).toBe(files);
    // No line of the log is missing or twice: memory, disk and open files were of the same instants throughout.
    expect(await sh(sandbox, "awk 'NR != $1 { print NR, $1; exit 1 }' /tmp/program.log && echo whole")).toBe("whole");
    await sandbox.destroy();
  });

  it("a data directory holds nothing that other users of the host may use", async () => {
    const sandbox = await create();
    await act(sandbox, "pause");
    const paused = await listOpenToOthers(stack.directory);
    await act(sandbox, "resume");
    const running = await listOpenToOthers(stack.directory);
    await sandbox.destroy();
    // Root of a VMM process, which has a user id of its own; nobody but root gets there.
    const jail = /^sandboxes\/[^/]+\/jail\/root$/;
    expect([...paused, ...running].filter((path) => !jail.test(path))).toEqual([]);
    expect(running.length).toBeLessThanOrEqual(1);
    const nobody = new LocalUser(stack.directory);
    try {
      for (const path of [".", "agent.sock", "credentials.json", "db/PG_VERSION", ...running]) {
        expect(await nobody.read(path), path).toBe("EACCES");
      }
    } finally {
      nobody.leave();
    }
  });

  it("an environment is in the memory of the sandbox alone, and its processes have it after every thaw", async () => {
    const sandbox = await create({ env: { PASSWORD: "correct-horse-battery" } });
    const record = readFileSync(join(stack.directory, "sandboxes", sandbox.id, "sandbox.json"), "utf8");
    await act(sandbox, "pause");
    await stack.hostAgent.kill();
    await stack.startHostAgent();
    await act(sandbox, "resume");
    const [made] = (await act(sandbox, "fork", { count: 1 })).body as { sandbox: { id: string } }[];
    const copy = await stack.warren.sandboxes.get(made!.sandbox.id);
    for (const each of [sandbox, copy]) expect(await sh(each, "echo $PASSWORD")).toBe("correct-horse-battery");
    expect(record).toContain(sandbox.id);
    expect(record).not.toContain("correct-horse");
    await Promise.all([sandbox.destroy(), copy.destroy()]);
  });

  it("the clock is right after a pause", async () => {
    const sandbox = await create();
    await act(sandbox, "pause");
    await act(sandbox, "resume");
    const before = Date.now() / 1000;
    const guest = Number((await sandbox.exec("date", ["+%s.%N"])).stdout);
    const after = Date.now() / 1000;
    expect(guest).toBeGreaterThan(before - 0.05);
    expect(guest).toBeLessThan(after + 0.05);
    await sandbox.destroy();
  });

  it("copies of one sandbox share what was, and nothing that comes after: no randomness, names or files", async () => {
    const parent = await create({ env: { SHARED: "yes" } });
    await sh(parent, "echo before > /tmp/shared; sync");
    const { status, body } = await act(parent, "fork", { count: 3 });
    expect(status).toBe(201);
    const copies = await Promise.all(
      (body as { sandbox: { id: string } }[]).map(({ sandbox }) => stack.warren.sandboxes.get(sandbox.id)),
    );
    const facts =
      "cat /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | od -An -tx1; hostname; echo $WARREN_SANDBOX_ID";
    const seen = await Promise.all([parent, ...copies].map((sandbox) => sh(sandbox, facts)));
    for (const line of [0, 1, 2, 3]) {
      expect(new Set(seen.map((text) => text.split("\n")[line])).size, seen.join("\n")).toBe(4);
    }
    await sh(copies[0]!, "echo changed > /tmp/shared; sync");
    expect(await sh(copies[1]!, "cat /tmp/shared; echo $SHARED")).toBe("before\nyes");
    expect(await sh(parent, "cat /tmp/shared")).toBe("before");
    const tls = "import ssl, secrets; print(secrets.token_hex(16), ssl.RAND_bytes(16).hex())";
    const tokens = await Promise.all(copies.map(async (copy) => (await copy.exec("python3", ["-c", tls])).stdout));
    expect(new Set(tokens).size).toBe(3);
    await Promise.all([parent, ...copies].map((sandbox) => sandbox.destroy()));
  });

  it("a command whose reader was cut off by a pause goes on after the resume", async () => {
    const sandbox = await create();
    const talk =
      "n=0; while :; do n=$((n+1)); head -c 100000 /dev/zero; echo $n > /tmp/next; mv /tmp/next /tmp/talked; done";
    const process = await sandbox.stream("sh", ["-c", talk]);
    process.stdout.resume();
    const ended = process.exit.catch((error: unknown) => error);
    await sh(sandbox, "while ! [ -e /tmp/talked ]; do sleep 0.1; done");
    await act(sandbox, "pause");
    expect(await ended).toBeInstanceOf(Error);
    await act(sandbox, "resume");
    // More than all buffers on the way to the lost reader hold together.
    const more = "a=$(cat /tmp/talked); until [ $(cat /tmp/talked) -gt $((a + 100)) ]; do sleep 0.1; done; echo more";
    expect((await sandbox.exec("sh", ["-c", more], { timeoutSec: 120 })).stdout).toBe("more\n");
    await sandbox.destroy();
  });

  it("a template starts sandboxes where its source stood, outlives it, and can be deleted while they run", async () => {
    const source = await create();
    await sh(source, "echo trained > /tmp/model; sleep 100000 >/dev/null 2>&1 & echo $! > /tmp/pid");
    const made = await call("POST", "/v1/snapshots", { sandbox_id: source.id, name: "trained" });
    expect(made).toMatchObject({ status: 201, body: { name: "trained", vcpus: 1, memory_mb: 256 } });
    expect(made.body.size_bytes).toBeGreaterThan(10_000_000);
    expect(await sh(source, "cat /tmp/model")).toBe("trained");
    await source.destroy();
    await expect(create({ template: "trained", memoryMb: 8192 })).rejects.toMatchObject({ code: "conflict" });
    const started = await create({ template: "trained" });
    expect(started.fields.memory_mb).toBe(256);
    expect(await sh(started, "cat /tmp/model; kill -0 $(cat /tmp/pid) && echo alive")).toBe("trained\nalive");
    expect((await call("DELETE", "/v1/snapshots/trained")).status).toBe(204);
    await act(started, "pause");
    await act(started, "resume");
    expect(await sh(started, "cat /tmp/model")).toBe("trained");
    await expect(create({ template: "trained" })).rejects.toMatchObject({ code: "template_not_found" });
    await started.destroy();
  });

  it("inactivity pauses a sandbox, activity keeps it, and a call wakes up one that was made for that", async () => {
    const sandbox = await create();
    expect((await sandbox.update({ timeoutSec: 3 })).fields).toMatchObject({ status: "running", timeout_sec: 3 });
    // A command that runs is activity, however silent: the pause comes only after its end.
    expect(await sh(sandbox, "sleep 6; echo done")).toBe("done");
    await expect
      .poll(() => readRecords(stack.directory).find(({ id }) => id === sandbox.id)?.status, { timeout: 60_000 })
      .toBe("paused");
    await expect
      .poll(async () => (await stack.warren.sandboxes.get(sandbox.id)).fields.status, { timeout: 60_000 })
      .toBe("paused");
    await expect(sandbox.exec("true")).rejects.toMatchObject({ code: "invalid_state" });
    await sandbox.destroy();

    const { body } = await call("POST", "/v1/sandboxes", { memory_mb: 256, timeout_sec: 2, auto_resume: true });
    const sleeper = await stack.warren.sandboxes.get(body.id);
    await sh(sleeper, "echo kept > /tmp/kept");
    await expect
      .poll(() => readRecords(stack.directory).find(({ id }) => id === sleeper.id)?.status, { timeout: 60_000 })
      .toBe("paused");
    expect(await sh(sleeper, "cat /tmp/kept")).toBe("kept");
    await sleeper.destroy();
  });

  it("a sandbox whose VMM dies returns to its last pause", async () => {
    const sandbox = await create();
    await sh(sandbox, "echo first > /tmp/state");
    await act(sandbox, "pause");
    await act(sandbox, "resume");
    await sh(sandbox, "echo second > /tmp/state");
    const record = readRecords(stack.directory).find(({ id }) => id === sandbox.id);
    process.kill(record?.process?.pid ?? 0, "SIGKILL");
    await expect
      .poll(async () => (await stack.warren.sandboxes.get(sandbox.id)).fields.status, { timeout: 60_000 })
      .toBe("paused");
    await act(sandbox, "resume");
    expect(await sh(sandbox, "cat /tmp/state")).toBe("first");
    await sandbox.destroy();
  });

  it("a pause of another machine, VMM or processor is refused with words, and is resumed where it was made", async () => {
    const sandbox = await create();
    await sh(sandbox, "echo kept > /tmp/kept");
    await act(sandbox, "pause");
    const snapshot = readRecords(stack.directory).find(({ id }) => id === sandbox.id)?.snapshot ?? "";
    const path = join(stack.directory, "snapshots", snapshot, "manifest.json");
    const original = readFileSync(path, "utf8");
    for (const [name, value] of [
      ["vmm", "qemu 6.2.0 machine 1"],
      ["cpu", "GenuineOther 6 1 1"],
      ["accelerator", "other"],
    ] as const) {
      const manifest = JSON.parse(original);
      manifest.shape[name] = value;
      await stack.hostAgent.stop();
      writeFileSync(path, JSON.stringify(manifest));
      await stack.startHostAgent();
      const { status, body } = await act(sandbox, "resume");
      expect({ status, code: body.error.code }).toEqual({ status: 409, code: "snapshot_incompatible" });
      expect(body.error.message).toContain(`${name} was "${value}"`);
      expect((await stack.warren.sandboxes.get(sandbox.id)).fields.status).toBe("paused");
    }
    await stack.hostAgent.stop();
    writeFileSync(path, original);
    await stack.startHostAgent();
    expect((await act(sandbox, "resume")).status).toBe(200);
    expect(await sh(sandbox, "cat /tmp/kept")).toBe("kept");
    await sandbox.destroy();
  });
});
