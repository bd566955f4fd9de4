import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { expect, test, vi } from "vitest";

test("a task of the host agent has the options of Node without which it may not end", async () => {
  const bundle = await mkdtemp(join(tmpdir(), "warren-programs-"));
  vi.stubEnv("WARREN_BUNDLE", bundle);
  try {
    await writeFile(join(bundle, "host-agent.js"), "console.log(process.execArgv.join(), process.argv[2]);");
    const { runHostAgentTask } = await import("./programs.ts");
    const lines: string[] = [];
    await runHostAgentTask(["sweep"], { stderr: "inherit", onLine: (line) => lines.push(line) });
    expect(lines).toEqual([`${NODE_FLAGS.join()} sweep`]);
  } finally {
    vi.unstubAllEnvs();
    await rm(bundle, { recursive: true });
  }
});
