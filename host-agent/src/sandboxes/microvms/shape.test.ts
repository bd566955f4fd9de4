import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { READ_STATE, useFakeHost, writeState } from "../../testing/fake-host.ts";

const host = useFakeHost();

test("a sandbox that was paused by another VMM is refused with the difference, and goes on where that VMM is", async () => {
  const id = await host().create();
  await host().run(id, writeState(1));
  await host().sandboxes.pause(id);
  const { snapshot = "" } = host().sandboxes.get(id).record;
  const path = join(host().directory, "snapshots", snapshot, "manifest.json");
  const manifest = await readFile(path, "utf8");
  const restart = async (text: string) => {
    await host().sandboxes.release();
    await writeFile(path, text);
    await host().reopen();
  };
  const { shape, ...rest } = JSON.parse(manifest);
  await restart(JSON.stringify({ ...rest, shape: { ...shape, vmm: "another 1" } }));
  const resumed = host().sandboxes.resume(id);
  await expect(resumed).rejects.toMatchObject({ code: "snapshot_incompatible", message: /"another 1"/ });
  expect(host().sandboxes.get(id).status).toBe("paused");
  await restart(manifest);
  await host().sandboxes.resume(id);
  expect(await host().run(id, READ_STATE)).toBe("1\n");
});
