import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useFakeHost } from "../../testing/fake-host.ts";

const host = useFakeHost({ WARREN_WARM_POOL: "1" });

/** Process of the sandbox that stands ready. */
function spare(): number | undefined {
  const root = join(host().directory, "sandboxes");
  for (const name of readdirSync(root)) {
    try {
      const record = JSON.parse(readFileSync(join(root, name, "sandbox.json"), "utf8"));
      if (record.purpose === "pool" && record.process) return record.process.pid;
    } catch {
      // It is being made, or removed.
    }
  }
  return undefined;
}

test("a sandbox that is asked for next is the one that stands ready, with a name and variables of its own", async () => {
  let id = await host().create();
  // Once it is ready.
  await expect
    .poll(async () => {
      const ready = spare();
      id = await host().create({}, { NAME: "value" });
      return host().pid(id) === ready;
    })
    .toBe(true);
  expect(await host().run(id, "hostname; echo $NAME")).toBe(`${id}\nvalue\n`);
  // It can be paused, and what is left of its former name is its own affair.
  await host().sandboxes.pause(id);
  await host().sandboxes.resume(id);
  expect(await host().run(id, "hostname")).toBe(`${id}\n`);
});

test("no caller meets one that stood ready and was killed", async () => {
  await host().create();
  await expect.poll(spare).toBeDefined();
  const former = spare() as number;
  process.kill(former, "SIGKILL");
  const id = await host().create();
  expect(host().pid(id)).not.toBe(former);
  expect(await host().run(id, "echo on")).toBe("on\n");
});
