import { WarrenError } from "@warren/contracts/errors";
import { describe, expect, test, vi } from "vitest";
import { READ_STATE, useFakeHost, writeState } from "../../testing/fake-host.ts";
import { Snapshotter } from "./snapshotter.ts";

describe("copies of a running sandbox", () => {
  const host = useFakeHost();

  test("have what it had at one instant, and go ways of their own", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    const [one, other] = [host().newId(), host().newId()];
    await host().sandboxes.fork(id, [one, other]);
    await host().run(id, writeState(2));
    await host().run(one, writeState(3));
    expect(await Promise.all([id, one, other].map((each) => host().run(each, READ_STATE)))).toEqual([
      "2\n",
      "3\n",
      "1\n",
    ]);
    // Each has a name of its own.
    expect(await host().run(one, "hostname")).toBe(`${one}\n`);
  });

  test("are copies of all that was decided about it", async () => {
    const id = await host().create({ timeoutSec: 1234, onTimeout: "destroy", autoResume: true }, { NAME: "value" });
    const [copy] = await host().sandboxes.fork(id, [host().newId()]);
    expect(copy).toMatchObject({ record: { spec: host().sandboxes.get(id).record.spec, teamId: "team" } });
    expect(await host().run((copy as { id: string }).id, "echo $NAME")).toBe("value\n");
  });

  test("leave its commands alone", async () => {
    const id = await host().create();
    const { ended } = await host().begin(id, "sleep 1; echo over");
    await host().sandboxes.fork(id, [host().newId()]);
    expect(await ended).toMatchObject({ exitCode: 0, stdout: Buffer.from("over\n") });
  });

  test.each([
    ["the same id twice", (id: string) => [id, id], "invalid_request"],
    ["no id of a sandbox", () => ["../x"], "invalid_request"],
  ])("are refused with %s, and nothing is made", async (_, ids, code) => {
    const id = await host().create();
    await expect(host().sandboxes.fork(id, ids(host().newId()))).rejects.toMatchObject({ code });
    await expect(host().sandboxes.fork(id, [id])).rejects.toMatchObject({ code: "already_exists" });
    expect(host().sandboxes.list()).toHaveLength(1);
  });

  test("are not made of a sandbox that is paused", async () => {
    const id = await host().create();
    await host().sandboxes.pause(id);
    await expect(host().sandboxes.fork(id, [host().newId()])).rejects.toMatchObject({ code: "invalid_state" });
  });
});

describe("on a host with room for two", () => {
  const host = useFakeHost({ WARREN_MAX_SANDBOXES: "2" });

  test("as many copies are made as fit, the others say so, and the sandbox runs on", async () => {
    const id = await host().create();
    const copies = await host().sandboxes.fork(id, [host().newId(), host().newId(), host().newId()]);
    expect(copies.map((copy) => (copy instanceof WarrenError ? copy.code : "made"))).toEqual([
      "made",
      "host_full",
      "host_full",
    ]);
    expect(host().sandboxes.list()).toHaveLength(2);
    expect(await host().run(id, "echo on")).toBe("on\n");
  });
});

describe("on a host without room for a copy", () => {
  const host = useFakeHost({ WARREN_MAX_SANDBOXES: "1" });

  test("none is made, and the sandbox is not stopped for it", async () => {
    const id = await host().create();
    const copying = vi.spyOn(Snapshotter.prototype, "snapshotAndContinue");
    try {
      const copies = await host().sandboxes.fork(id, [host().newId(), host().newId()]);
      expect(copies).toMatchObject([{ code: "host_full" }, { code: "host_full" }]);
      expect(copying).not.toHaveBeenCalled();
    } finally {
      copying.mockRestore();
    }
  });
});
