import { afterAll, beforeAll, expect, it } from "vitest";
import { type Stack, startStack } from "./support/stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ WARREN_WARM_POOL: "0", WARREN_DISK_LIMIT_GB: "0.25" });
});
afterAll(() => stack?.dispose());

it("a host whose disk limit is reached takes on nothing more, and harms nothing that is there", async () => {
  const call = (path: string, body: object) =>
    fetch(`${stack.url}/v1/${path}`, {
      method: "POST",
      headers: { "x-api-key": stack.apiKey, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: 128 });
  const fill = "head -c 300000000 /dev/zero | tr '\\0' x > big && sync && echo written";
  expect((await sandbox.exec("sh", ["-c", fill], { timeoutSec: 300 })).stdout).toBe("written\n");
  const full = (error: { code: string; message: string }) => {
    expect(error.code).toBe("host_full");
    expect(error.message).toContain("of the 0.3 GiB of disk they may");
  };
  for (const [path, body] of [
    [`sandboxes/${sandbox.id}/pause`, {}],
    ["snapshots", { sandbox_id: sandbox.id, name: "large" }],
  ] as const) {
    // The host looks at its disk anew every two seconds.
    await expect.poll(async () => (await call(path, body)).status).toBe(503);
    const { error } = (await (await call(path, body)).json()) as { error: { code: string; message: string } };
    full(error);
  }
  expect((await sandbox.exec("sh", ["-c", "wc -c < big"])).stdout.trim()).toBe("300000000");
  await sandbox.destroy();
  await expect
    .poll(() =>
      stack.warren.sandboxes.create({ memoryMb: 128 }).then((next) => next.destroy().then(() => "created"), String),
    )
    .toBe("created");
});
