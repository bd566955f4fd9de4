import { expect, test } from "vitest";
import { startTicks } from "../linux/process-identity.ts";
import { useFakeHost } from "../testing/fake-host.ts";
import { reasonOf } from "./record/reason.ts";

const host = useFakeHost();

test("settings that are changed stay changed over a pause and another host agent", async () => {
  const id = await host().create();
  await host().sandboxes.update(id, { onTimeout: "destroy", autoResume: true });
  await host().sandboxes.pause(id);
  await host().sandboxes.release();
  await host().reopen();
  expect(host().sandboxes.get(id).record.spec).toMatchObject({ onTimeout: "destroy", autoResume: true });
});

test("what happens to one sandbox at the same time happens one after the other", async () => {
  const id = await host().create();
  const { sandboxes } = host();
  await Promise.all([sandboxes.pause(id), sandboxes.resume(id), sandboxes.pause(id), sandboxes.resume(id)]);
  expect(sandboxes.get(id).status).toBe("running");
  expect(await host().run(id, "echo on")).toBe("on\n");
});

test("an operator who ends all tells their owners why", async () => {
  const [running, paused] = [await host().create(), await host().create()];
  await host().sandboxes.pause(paused);
  const pid = host().pid(running);
  await host().sandboxes.endAll(reasonOf("ended_by_operator", "enough"));
  expect(await startTicks(pid)).toBeUndefined();
  await host().reopen();
  expect(host().sandboxes.list()).toEqual([]);
  const ended = host()
    .sandboxes.stopped()
    .map(({ id, reason }) => [id, reason?.message]);
  expect(ended.sort()).toEqual([running, paused].sort().map((id) => [id, "enough"]));
});
