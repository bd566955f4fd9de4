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
