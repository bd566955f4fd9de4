import { readdirSync } from "node:fs";
import { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Stack } from "../support/stack.ts";
import { GOLDEN, startOnGolden, TRACES } from "./golden.ts";

describe.each(readdirSync(GOLDEN))("what Warren of %s left", (name) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startOnGolden(name);
  });
  afterAll(() => stack?.dispose());

  const kept = () => stack.warren.sandboxes.byName(TRACES.sandbox.name);
  const readBack = async (sandbox: Sandbox) =>
    (await sandbox.exec("sh", ["-c", "cmp kept /dev/shm/kept && cat kept"])).stdout;

  it("has its paused sandbox, as it was made", async () => {
    await expect.poll(async () => (await kept()).fields.status).toBe("paused");
    expect((await kept()).fields).toMatchObject(TRACES.sandbox);
  });

  it("resumes it with its memory and its disk, and pauses it again", async () => {
    const sandbox = await kept();
    for (let times = 0; times < 2; times++) {
      await sandbox.resume();
      expect(await readBack(sandbox)).toBe(`${TRACES.line}\n`);
      await sandbox.pause();
    }
  });

  it("starts others from its template, and makes copies and templates of its sandbox", async () => {
    const sandbox = await kept();
    await sandbox.resume();
    const [copy] = await sandbox.fork();
    if (!(copy instanceof Sandbox)) throw copy;
    await stack.warren.templates.create(sandbox, { name: "another" });
    for (const template of [TRACES.template, "another"]) {
      const started = await stack.warren.sandboxes.create({ template });
      expect(await readBack(started)).toBe(`${TRACES.line}\n`);
    }
    expect(await readBack(copy)).toBe(`${TRACES.line}\n`);
  });
});
