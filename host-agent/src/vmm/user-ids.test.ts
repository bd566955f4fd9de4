import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { findOwners, requireOwnUserIds } from "./user-ids.ts";

let etc: string;
beforeEach(async () => {
  etc = await mkdtemp(join(tmpdir(), "warren-user-ids-"));
  onTestFinished(() => rm(etc, { recursive: true }));
});

test.each([
  ["subuid", "alice:100000:65536\nbob:689824:65536\n", ["bob"]],
  ["subuid", "alice:634464:65536\nbob:732768:65536\n", []],
  ["subgid", "1000:700100:1\n", ["1000"]],
  ["passwd", "root:x:0:0::/root:/bin/sh\ncarol:x:700001:100::/home/carol:/bin/sh\n", ["carol"]],
  ["passwd", "dave:x:1000:732767::/home/dave:/bin/sh\neve:x:732768:1000::/:/bin/sh\n", ["dave"]],
  ["group", "users:x:100:\nlab:x:700000:dave,eve\n", ["lab"]],
  ["group", "# no group\n\nbroken\n", []],
])("ids of microVMs that are in %s %j are those of %j", async (file, text, owners) => {
  await writeFile(join(etc, file), text);
  expect((await findOwners(etc)).map(({ name }) => name)).toEqual(owners);
});

test("a machine that has given the ids of microVMs to others is refused, with the names and what to do", async () => {
  await requireOwnUserIds(etc);
  await writeFile(join(etc, "subuid"), "bob:689824:65536\n");
  await expect(requireOwnUserIds(etc)).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringMatching(/700000 to 732767.*bob \(.*subuid\)/),
  });
});
