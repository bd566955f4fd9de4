import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useFakeHost, writeState } from "../../testing/fake-host.ts";

const host = useFakeHost();

/** Files of guest memory. */
const memory = () =>
  host()
    .files()
    .filter((path) => path.startsWith("memory/"));

test("nothing is kept of a copy whose disk cannot be closed, and the sandbox runs on", async () => {
  await host().create();
  await host().clear();
  const before = memory();
  const id = await host().create();
  await host().run(id, writeState(1));
  await host().sandboxes.pause(id);
  await host().sandboxes.resume(id);
  const { instance, disk } = host().sandboxes.get(id).record;
  // Where the former file of the layer is to go.
  const taken = join(host().directory, "sandboxes", instance, "jail", `${disk.layers[0]}.qcow2`);
  mkdirSync(taken);
  await expect(host().sandboxes.fork(id, [host().newId()])).rejects.toThrow();
  rmSync(taken, { recursive: true });
  expect(await host().run(id, "cat /dev/shm/state")).toBe("1\n");
  await host().sandboxes.destroy(id);
  await expect.poll(memory).toEqual(before);
});
