import { expect, test } from "vitest";
import { READ_STATE, useFakeHost, writeState } from "../../testing/fake-host.ts";

const host = useFakeHost();

test("a template of a running sandbox and one of a paused sandbox hold what it had, and outlive it", async () => {
  const id = await host().create();
  await host().run(id, writeState(1));
  await host().sandboxes.createTemplate(id, "team", "running", false);
  await host().run(id, writeState(2));
  await host().sandboxes.pause(id);
  await host().sandboxes.createTemplate(id, "team", "paused", false);
  expect(host().sandboxes.get(id).status).toBe("paused");
  await host().sandboxes.destroy(id);
  for (const [template, state] of [
    ["running", "1\n"],
    ["paused", "2\n"],
  ] as const) {
    expect(await host().run(await host().create({ template }), READ_STATE)).toBe(state);
  }
});

test("a name is given twice only where that is asked for", async () => {
  const id = await host().create();
  await host().run(id, writeState(1));
  await host().sandboxes.createTemplate(id, "team", "once", false);
  await host().run(id, writeState(2));
  const again = host().sandboxes.createTemplate(id, "team", "once", false);
  await expect(again).rejects.toMatchObject({ code: "already_exists" });
  await host().sandboxes.createTemplate(id, "team", "once", true);
  expect(await host().run(await host().create({ template: "once" }), READ_STATE)).toBe("2\n");
});

test("a template that is deleted is no longer there for new sandboxes, and those that were started from it go on", async () => {
  const id = await host().create();
  await host().run(id, writeState(1));
  await host().sandboxes.createTemplate(id, "team", "short", false);
  const child = await host().create({ template: "short" });
  await host().sandboxes.deleteTemplate("team", "short");
  await expect(host().create({ template: "short" })).rejects.toMatchObject({ code: "template_not_found" });
  await host().sandboxes.pause(child);
  await host().sandboxes.resume(child);
  expect(await host().run(child, READ_STATE)).toBe("1\n");
});

test("a sandbox has the size of its template, whatever it asks for", async () => {
  const id = await host().create({ vcpus: 2, memoryMb: 64 });
  await host().sandboxes.createTemplate(id, "team", "sized", false);
  const child = await host().create({ template: "sized", vcpus: 1, memoryMb: 128 });
  expect(host().sandboxes.get(child).record.spec).toMatchObject({ vcpus: 2, memoryMb: 64 });
  expect(await host().run(child, "nproc")).toBe("2\n");
});
