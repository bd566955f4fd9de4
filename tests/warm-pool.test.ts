import { afterAll, beforeAll, expect, it } from "vitest";
import { HostAgentFixture } from "./support/host-agent.ts";
import { vmmProcesses } from "./support/host-state.ts";
import { causeMemoryPressure } from "./support/memory-pressure.ts";

let host: HostAgentFixture;
beforeAll(async () => {
  host = await HostAgentFixture.start({ WARREN_WARM_POOL: "2" });
});
afterAll(() => host?.dispose());

const running = () => vmmProcesses(host.directory).length;
const create = (letter: string) =>
  host.calls.createSandbox({
    sandboxId: `sbwarm${letter.repeat(16)}`,
    teamId: "team",
    template: "minimal",
    vcpus: 1,
    memoryMb: 128,
    env: { LETTER: letter },
  });
async function shell(letter: string, script: string): Promise<string> {
  const command = { cmd: "sh", args: ["-c", script], timeoutMs: 60_000 };
  const sandboxId = `sbwarm${letter.repeat(16)}`;
  const { stdout } = await host.calls.exec({ sandboxId, command, maxOutputBytes: 10_000 });
  return Buffer.from(stdout).toString().trim();
}

it("hands out each ready sandbox once, with an identity of its own, and makes others ready", async () => {
  await create("a");
  await expect.poll(running, { timeout: 120_000 }).toBe(3);
  await Promise.all(["b", "c", "d", "e"].map(create));
  const letters = ["a", "b", "c", "d", "e"];
  const facts = await Promise.all(
    letters.map((letter) => shell(letter, "hostname; cat /proc/sys/kernel/random/uuid; echo $LETTER")),
  );
  for (const line of [0, 1, 2]) expect(new Set(facts.map((text) => text.split("\n")[line])).size).toBe(letters.length);
  expect(facts.map((text) => text.split("\n")[0])).toEqual(letters.map((letter) => `sbwarm${letter.repeat(16)}`));
  await expect.poll(running, { timeout: 120_000 }).toBe(letters.length + 2);
});

it("gives ready sandboxes up when memory runs short, and touches no other", async () => {
  const release = await causeMemoryPressure();
  try {
    await expect.poll(running, { timeout: 120_000 }).toBe(5);
  } finally {
    await release();
  }
  expect(await shell("a", "echo $LETTER")).toBe("a");
});
