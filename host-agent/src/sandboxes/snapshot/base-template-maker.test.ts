import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
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

test("what a host agent left that was killed while it shared the template goes with the next start, and nothing else", async () => {
  const age = new Date(Date.now() - 2 * 60 * 60 * 1000);
  const make = async (name: string, file: string, isOld: boolean) => {
    await mkdir(join(frozen(), name), { recursive: true });
    await writeFile(join(frozen(), name, file), "{}");
    if (isOld) await utimes(join(frozen(), name), age, age);
  };
  const [whole, cut] = ["a".repeat(32), "b".repeat(32)];
  await make(`${whole}.01234567.tmp`, "device-state", true);
  await make(`${whole}.89abcdef.tmp`, "device-state", false);
  await make(cut, "device-state", true);
  await make(whole, "manifest.json", true);
  await make("of-an-operator", "notes", true);
  const before = await readdir(frozen());
  await host().sandboxes.release();
  await host().reopen();
  const gone = [`${whole}.01234567.tmp`, cut];
  expect(await readdir(frozen())).toEqual(before.filter((name) => !gone.includes(name)));
});
