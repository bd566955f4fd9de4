import { expect, test } from "vitest";
import { READ_STATE, useFakeHost, writeState } from "../../testing/fake-host.ts";

const host = useFakeHost();

test("a sandbox that nothing uses is paused when its time is over, and woken by a call where that was asked for", async () => {
  const id = await host().create({ timeoutSec: 1, autoResume: true });
  await host().run(id, writeState(1));
  await expect.poll(() => host().sandboxes.get(id)).toMatchObject({ status: "paused", reason: { code: "inactivity" } });
  expect(await host().run(id, READ_STATE)).toBe("1\n");
  expect(host().sandboxes.get(id).status).toBe("running");
});

test("a sandbox that is to be destroyed then has ended, and says why", async () => {
  await host().create({ timeoutSec: 1, onTimeout: "destroy" });
  await expect
    .poll(() =>
      host()
        .sandboxes.stopped()
        .map(({ reason }) => reason?.code),
    )
    .toEqual(["inactivity"]);
});

test("a command that runs keeps its sandbox awake", async () => {
  const id = await host().create({ timeoutSec: 1 });
  expect(await host().run(id, "sleep 2.5; echo over")).toBe("over\n");
  expect(host().sandboxes.get(id).status).toBe("running");
});

test("a time that is changed begins anew", async () => {
  const id = await host().create({ timeoutSec: 3600 });
  await host().sandboxes.update(id, { timeoutSec: 1 });
  await expect.poll(() => host().sandboxes.get(id).status).toBe("paused");
});
