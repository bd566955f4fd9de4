import { expect, test } from "vitest";
import { useFakeHost } from "../../testing/fake-host.ts";

const host = useFakeHost({ WARREN_MAX_SANDBOXES: "1" });

test("a sandbox for which there is no room is refused, leaves nothing, and is made once another one is paused", async () => {
  const id = await host().create();
  await expect(host().create()).rejects.toMatchObject({ code: "host_full" });
  expect(
    host()
      .sandboxes.list()
      .map((sandbox) => sandbox.id),
  ).toEqual([id]);
  await host().sandboxes.pause(id);
  const other = await host().create();
  // It stays paused, and can be resumed when there is room again.
  await expect(host().sandboxes.resume(id)).rejects.toMatchObject({ code: "host_full" });
  expect(host().sandboxes.get(id).status).toBe("paused");
  await host().sandboxes.destroy(other);
  await host().sandboxes.resume(id);
});

test("of two that are asked for at once where there is room for one, one is made", async () => {
  const results = await Promise.allSettled([host().create(), host().create()]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  expect(host().sandboxes.list()).toHaveLength(1);
});
