import type { EndedOperation } from "@warren/server/operation-timing";
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

test("each step of what happens to a sandbox is told with its duration", async () => {
  const told: EndedOperation[] = [];
  const { sandboxes } = host();
  sandboxes.onOperation = (ended) => told.push(ended);
  const id = await host().create();
  await sandboxes.pause(id);
  await sandboxes.pause(id);
  await sandboxes.resume(id);
  await sandboxes.fork(id, [host().newId()]);
  await sandboxes.createTemplate(id, "team", "made", false);
  await sandboxes.deleteTemplate("team", "made");
  await sandboxes.destroy(id);
  const steps = told.map(({ operation, steps }) => [operation, ...steps.keys()].join(" "));
  // The second pause found nothing to do.
  expect(steps).toEqual([
    "create admission journal snapshot warm_pool memory_image network disk vmm identity",
    "pause journal freeze device_state memory publish stop merge",
    "resume admission memory_image network journal disk vmm identity",
    "fork freeze device_state memory disk wake publish",
    "create admission journal snapshot warm_pool memory_image network disk vmm identity",
    "snapshot freeze device_state memory disk wake publish",
    "destroy stop",
  ]);
  for (const { outcome, ms, steps } of told) {
    expect(outcome).toBe("ok");
    expect([...steps.values()].reduce((sum, step) => sum + step)).toBeLessThanOrEqual(ms);
  }
  expect(told[1]?.figures).toMatchObject({ dirtyPages: expect.any(Number), stoppedMs: expect.any(Number) });
});

test("one that is refused says why, and at which step", async () => {
  const told: EndedOperation[] = [];
  host().sandboxes.onOperation = (ended) => told.push(ended);
  const failing = host().create({ memoryMb: 1_000_000_000 });
  await expect(failing).rejects.toMatchObject({ code: "host_full" });
  expect(told.map(({ operation, outcome, steps }) => [operation, outcome, ...steps.keys()])).toEqual([
    ["create", "host_full", "admission", "stop"],
  ]);
});
