import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { findOwners, MICROVM_IDS, requireOwnIds } from "./user-ids.ts";

let etc: string;
beforeEach(async () => {
  etc = await mkdtemp(join(tmpdir(), "warren-user-ids-"));
  onTestFinished(() => rm(etc, { recursive: true }));
});

test.each([
  ["subuid", "alice:100000:65536\nbob:2099989824:65536\n", ["bob"]],
  ["subuid", "alice:2099934464:65536\nbob:2100032768:65536\n", []],
  ["subgid", "1000:2100000100:1\n", ["1000"]],
  ["passwd", "root:x:0:0::/root:/bin/sh\ncarol:x:2100000001:100::/home/carol:/bin/sh\n", ["carol"]],
  ["passwd", "dave:x:1000:2100032767::/home/dave:/bin/sh\neve:x:2100032768:1000::/:/bin/sh\n", ["dave"]],
  ["group", "users:x:100:\nlab:x:2100000000:dave,eve\n", ["lab"]],
  ["group", "# no group\n\nbroken\n", []],
])("ids of microVMs that are in %s %j are those of %j", async (file, text, owners) => {
  await writeFile(join(etc, file), text);
  expect((await findOwners(MICROVM_IDS, etc)).map(({ name }) => name)).toEqual(owners);
});

test("default ranges of hundreds of users are none of microVMs", async () => {
  // As useradd gives them, up to the highest that it does (login.defs(5), SUB_UID_MAX).
  const lines = Array.from({ length: 9000 }, (_, user) => `user${user}:${100_000 + user * 65_536}:65536`);
  await writeFile(join(etc, "subuid"), lines.join("\n"));
  await requireOwnIds(MICROVM_IDS, etc);
});

test("a machine that has given the ids of microVMs to others is refused, with the names and what to do", async () => {
  await requireOwnIds(MICROVM_IDS, etc);
  await writeFile(join(etc, "subuid"), "bob:2099989824:65536\n");
  await expect(requireOwnIds(MICROVM_IDS, etc)).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringMatching(/2100000000 to 2100032767.*bob \(.*subuid\)/),
  });
});

test("one id alone is told from its neighbours, and named alone", async () => {
  const own = { first: 2_100_032_768, last: 2_100_032_768, of: "the database", remedy: "give them others" };
  await writeFile(join(etc, "passwd"), "dave:x:2100032767:100::/:/bin/sh\neve:x:2100032769:100::/:/bin/sh\n");
  await requireOwnIds(own, etc);
  await writeFile(join(etc, "group"), "lab:x:2100032768:\n");
  await expect(requireOwnIds(own, etc)).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringMatching(
      /^the user id 2100032768, which is for the database, is also that of lab \(.*group\)/,
    ),
  });
});
