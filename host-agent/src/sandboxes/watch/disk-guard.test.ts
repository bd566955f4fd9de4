import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useFakeHost } from "../../testing/fake-host.ts";

const MIB = 1024 ** 2;
const host = useFakeHost({ WARREN_DISK_LIMIT_GB: "0.2", WARREN_DISK_RESERVE_MB: "16" });
const filler = () => join(host().directory, "snapshots/filler");
const reasonOf = (id: string) => host().sandboxes.get(id).reason?.code;

/** Has all be taken of the disk that sandboxes may have. The next host agent measures anew. */
async function fillDisk(): Promise<void> {
  await host().sandboxes.release();
  await writeFile(filler(), Buffer.alloc(210 * MIB, 1));
  await host().reopen();
}

/** Writes files, until the sandbox is held. */
async function growUntilHeld(id: string): Promise<void> {
  let files = 0;
  const grow = async () => {
    if (reasonOf(id) !== undefined) return reasonOf(id);
    files += 1;
    await host()
      .exec(id, `head -c ${2 * MIB} /dev/urandom > grown-${files}`)
      .catch(() => undefined);
    return reasonOf(id);
  };
  await expect.poll(grow).toBe("host_disk_full");
}

test("a sandbox that goes on writing on a full disk is held with the reason, others are not, and it goes on when there is space", async () => {
  const [growing, quiet] = [await host().create(), await host().create()];
  await host().run(growing, "echo kept > kept");
  await fillDisk();
  await growUntilHeld(growing);
  await expect(host().exec(growing, "true")).rejects.toMatchObject({ code: "host_disk_full" });
  expect(reasonOf(quiet)).toBeUndefined();
  expect(await host().run(quiet, "echo on")).toBe("on\n");
  await rm(filler());
  await expect.poll(() => reasonOf(growing)).toBeUndefined();
  expect(await host().run(growing, "cat kept")).toBe("kept\n");
});

test("a sandbox that is held stays so under the next host agent, and runs on when it is resumed to take data out", async () => {
  const id = await host().create();
  await host().run(id, "echo kept > kept");
  await fillDisk();
  await growUntilHeld(id);
  await host().sandboxes.release();
  await host().reopen();
  expect(reasonOf(id)).toBe("host_disk_full");
  await expect(host().exec(id, "true")).rejects.toMatchObject({ code: "host_disk_full" });
  await host().sandboxes.resume(id);
  expect(reasonOf(id)).toBeUndefined();
  expect(await host().run(id, "cat kept")).toBe("kept\n");
});
