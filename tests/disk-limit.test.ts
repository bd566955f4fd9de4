import { afterAll, beforeAll, expect, it } from "vitest";
import { type Stack, startStack } from "./support/stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ WARREN_WARM_POOL: "0", WARREN_DISK_LIMIT_GB: "0.25" });
});
afterAll(() => stack?.dispose());

it("a sandbox that grows beyond the disk limit is held, and goes on when there is room; nothing else is taken on", async () => {
  const call = (path: string, body: object) =>
    fetch(`${stack.url}/v1/${path}`, {
      method: "POST",
      headers: { "x-api-key": stack.apiKey, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const look = async ({ id }: { id: string }) => (await stack.warren.sandboxes.get(id)).fields;
  const codeOf = async (response: Response) => {
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect(error.message).toContain("of the 0.25 GiB of the host's disk they may");
    return `${response.status} ${error.code}`;
  };
  const [growing, other] = await Promise.all([
    stack.warren.sandboxes.create({ memoryMb: 128 }),
    stack.warren.sandboxes.create({ memoryMb: 128 }),
  ]);
  const fill = (bytes: number, file: string) => ["-c", `head -c ${bytes} /dev/zero | tr "\\\\0" x > ${file} && sync`];
  await other.exec("sh", fill(120_000_000, "some"), { timeoutSec: 300 });
  const written = growing.exec("sh", fill(400_000_000, "big"), { timeoutSec: 300 });
  await expect(written).rejects.toMatchObject({ code: "host_disk_full", status: 507 });
  await expect.poll(() => look(growing)).toMatchObject({ status: "paused", reason: { code: "host_disk_full" } });
  expect(await codeOf(await call(`sandboxes/${other.id}/pause`, {}))).toBe("507 host_disk_full");
  expect(await codeOf(await call("snapshots", { sandbox_id: other.id, name: "large" }))).toBe("507 host_disk_full");
  expect(await codeOf(await call("sandboxes", {}))).toBe("503 host_full");
  expect((await other.exec("sh", ["-c", "wc -c < some"])).stdout.trim()).toBe("120000000");
  await other.destroy();
  await expect.poll(async () => (await look(growing)).status).toBe("running");
  expect((await growing.exec("echo", ["on"])).stdout).toBe("on\n");
});
