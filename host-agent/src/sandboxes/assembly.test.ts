import { expect, test } from "vitest";
import { useFakeHost } from "../testing/fake-host.ts";

const host = useFakeHost({ WARREN_WARM_POOL: "1" });
const KILLED = "Out of memory: Killed process 7 (python3) total-vm:1kB";

/** Creates sandboxes until one has the microVM of one that stood ready, under whose name its record then is. */
async function createFromPool(): Promise<string> {
  let id = "";
  const isFromPool = async () => {
    id = await host().create();
    return host().sandboxes.get(id).record.instance !== id;
  };
  await expect.poll(isFromPool).toBe(true);
  return id;
}

test("what a guest prints on its console is heard of the sandbox that it is now, though its microVM stood ready before", async () => {
  const id = await createFromPool();
  await host().run(id, `echo '${KILLED}' > /dev/ttyS0`);
  const reason = () => host().sandboxes.get(id).reason;
  await expect.poll(reason).toMatchObject({ code: "out_of_memory", message: expect.stringContaining("python3") });
  expect(await host().run(id, "echo on")).toBe("on\n");
});

test("the end of a microVM is heard of the sandbox that it is now, though its microVM stood ready before", async () => {
  const id = await createFromPool();
  process.kill(host().pid(id), "SIGKILL");
  // Whether or not all that it held is gone by then.
  const told = () => [...host().sandboxes.list(), ...host().sandboxes.stopped()].find((each) => each.id === id);
  await expect.poll(told).toMatchObject({ status: "stopped", reason: { code: "microvm_lost" } });
});
