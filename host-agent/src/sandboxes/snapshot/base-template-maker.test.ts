import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useFakeHost } from "../../testing/fake-host.ts";

const host = useFakeHost();
const frozen = () => join(host().directory, "images/frozen");

test("the built-in template is made beside one that this version cannot read, which stays", async () => {
  const unreadable = "0123456789abcdef0123456789abcdef";
  await mkdir(join(frozen(), unreadable), { recursive: true });
  await writeFile(join(frozen(), unreadable, "manifest.json"), JSON.stringify({ version: 2 }));
  await host().run(await host().create(), "true");
  const names = await readdir(frozen());
  expect(names).toHaveLength(2);
  expect(names).toContain(unreadable);
});

test("sandboxes of one size that are asked for at once start from one template, and each size has its own", async () => {
  const templates = async () => (await readdir(frozen())).length;
  await host().create({ memoryMb: 64 });
  const before = await templates();
  const ids = await Promise.all([0, 1].map(() => host().create({ vcpus: 2, memoryMb: 96 })));
  expect(await Promise.all(ids.map((id) => host().run(id, "nproc")))).toEqual(["2\n", "2\n"]);
  expect(await templates()).toBe(before + 1);
  await host().create({ vcpus: 2, memoryMb: 96 });
  expect(await templates()).toBe(before + 1);
});

test("nobody meets the microVM that the built-in template is made of, and nothing is left of it", async () => {
  const made = host().create({ memoryMb: 112 });
  const listed = host()
    .sandboxes.list()
    .map(({ id }) => id);
  const id = await made;
  expect(listed).toEqual([id]);
  expect(host().sandboxes.list()).toHaveLength(1);
  const records = host()
    .files()
    .filter((path) => /^sandboxes\/.*sandbox\.json$/.test(path));
  expect(records).toEqual([`sandboxes/${id}/sandbox.json`]);
});
