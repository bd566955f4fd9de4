import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { errorOf, TestStack } from "../testing/test-stack.ts";

const run = promisify(execFile);
const MIB = 1024 * 1024;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "warren-full-disk-"));
  await run("mount", ["-t", "tmpfs", "-o", "size=224m", "warren-test", directory]);
});
afterEach(async () => {
  await run("umount", ["--lazy", directory]);
  await rm(directory, { recursive: true });
});

/** Takes all the space that is left. */
async function fill(): Promise<void> {
  const file = await open(join(directory, "filler"), "w");
  try {
    for (const piece of [Buffer.alloc(MIB, 1), Buffer.alloc(4096, 1)]) {
      await (async () => {
        for (;;) await file.write(piece);
      })().catch((error: NodeJS.ErrnoException) => expect(error.code).toBe("ENOSPC"));
    }
  } finally {
    await file.close();
  }
}

it("on a full disk reads are answered and writes refused, after what was kept is used; it goes on when there is space", async () => {
  const config = { dataDir: directory, cacheDir: inject("databases").cacheDir, ephemeral: false };
  const stack = await TestStack.start({ config, remove: async () => undefined });
  try {
    const { id } = await stack.createSandbox();
    const keys = (name: string) => stack.call("POST", "/v1/sandboxes", { env: { NAME: name } });
    await fill();
    // What was kept is there for the first who needs it, whatever else has filled the disk.
    expect((await stack.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
    await expect(stat(join(directory, "db-emergency-space"))).rejects.toMatchObject({ code: "ENOENT" });
    await fill();
    expect(await errorOf(await keys("a"))).toMatchObject({ status: 507, code: "host_disk_full" });
    expect((await stack.call("GET", "/v1/sandboxes")).status).toBe(200);
    expect((await fetch(`${stack.url}/health`)).status).toBe(200);
    await rm(join(directory, "filler"));
    expect((await keys("b")).status).toBe(201);
    expect((await stat(join(directory, "db-emergency-space"))).blocks * 512).toBeGreaterThan(32 * MIB);
  } finally {
    await stack.close();
  }
}, 300_000);

it("a process whose main thread no longer reacts is ended, also when its supervisor is gone", async () => {
  const watchdog = join(import.meta.dirname, "../process/event-loop-watchdog.ts");
  const program = `
    import { watchEventLoop } from ${JSON.stringify(watchdog)};
    watchEventLoop({ lookMs: 100, misses: 3 });
    setTimeout(() => { console.log("stuck"); for (;;); }, 1000);
  `;
  const child = spawn(process.execPath, [...NODE_FLAGS, "--input-type=module-typescript", "-e", program], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [status, signal] = await once(child, "close");
  expect([status, signal]).toEqual([null, "SIGKILL"]);
  expect(said).toContain("has not reacted for 0.3 s");
});
