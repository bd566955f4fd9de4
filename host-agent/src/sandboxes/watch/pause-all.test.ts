import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { READ_STATE, useFakeHost, writeState } from "../../testing/fake-host.ts";
import { reasonOf } from "../record/reason.ts";

const LOST = { code: "control_plane_lost", message: "its host is cut off" } as const;
const never = new AbortController().signal;

describe("on a host", () => {
  const host = useFakeHost();
  const reasonsOf = (ids: string[]) => ids.map((id) => host().sandboxes.get(id).reason?.code);

  test("all sandboxes are paused, more than at a time, and say why to the next host agent too, until they are resumed", async () => {
    const ids = await Promise.all([1, 2, 3, 4, 5, 6].map(() => host().create()));
    for (const [state, id] of ids.entries()) await host().run(id, writeState(state));
    const { sandboxes } = host();
    await sandboxes.pause(ids[0]!);
    await sandboxes.pauseAll(LOST, never);
    expect(sandboxes.list().map(({ status }) => status)).toEqual(ids.map(() => "paused"));
    // Somebody has asked for the first pause.
    const told = [undefined, ...ids.slice(1).map(() => LOST.code)];
    expect(reasonsOf(ids)).toEqual(told);
    await sandboxes.release();
    await host().reopen();
    expect(reasonsOf(ids)).toEqual(told);
    for (const [state, id] of ids.entries()) {
      await host().sandboxes.resume(id);
      expect(await host().run(id, READ_STATE)).toBe(`${state}\n`);
    }
    expect(reasonsOf(ids)).toEqual(ids.map(() => undefined));
  });

  test("a command that is under way ends with the reason, and the next one resumes a sandbox that was made for that", async () => {
    const id = await host().create({ autoResume: true });
    await host().run(id, writeState(1));
    const { ended } = await host().begin(id, "sleep 600");
    await host().sandboxes.pauseAll(LOST, never);
    await expect(ended).rejects.toMatchObject({ code: "invalid_state", message: expect.stringMatching(LOST.message) });
    expect(await host().run(id, READ_STATE)).toBe("1\n");
  });

  test("pauses that are under way end when no more are wanted, and no other begins", async () => {
    const ids = await Promise.all([1, 2, 3, 4, 5, 6].map(() => host().create()));
    const { sandboxes } = host();
    const stop = new AbortController();
    sandboxes.onOperation = () => stop.abort();
    await sandboxes.pauseAll(LOST, stop.signal);
    const running = ids.filter((id) => sandboxes.get(id).status === "running");
    expect(running).toHaveLength(2);
    for (const id of running) expect(await host().run(id, "echo on")).toBe("on\n");
  });

  test("a guest that has hung stays as it is: the pause to which it may return is not given up", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    await host().sandboxes.pause(id);
    await host().sandboxes.resume(id);
    const { record } = host().sandboxes.get(id);
    const { snapshot } = record;
    record.reason = reasonOf("guest_hung", "its kernel makes no progress");
    await host().sandboxes.pauseAll(LOST, never);
    expect(host().sandboxes.get(id)).toMatchObject({ status: "running", record: { snapshot } });
    await host().sandboxes.rollback(id);
    await host().sandboxes.resume(id);
    expect(await host().run(id, READ_STATE)).toBe("1\n");
  });

  test("one that is destroyed meanwhile is gone, and keeps no other", async () => {
    const ids = await Promise.all([1, 2].map(() => host().create()));
    const { sandboxes } = host();
    await Promise.all([sandboxes.pauseAll(LOST, never), sandboxes.destroy(ids[0]!)]);
    expect(sandboxes.list().map(({ id, status }) => [id, status])).toEqual([[ids[1], "paused"]]);
  });
});

describe("on a host whose disk is full", () => {
  const host = useFakeHost({ WARREN_DISK_LIMIT_GB: "0.1" });

  test("sandboxes run on, and are paused by a later call once there is space", async () => {
    const id = await host().create();
    await host().run(id, writeState(1));
    const filler = join(host().directory, "snapshots/filler");
    await host().sandboxes.release();
    await writeFile(filler, Buffer.alloc(110 * 1024 ** 2, 1));
    await host().reopen();
    const pauseAll = async () => {
      await host().sandboxes.pauseAll(LOST, never);
      return host().sandboxes.get(id).status;
    };
    expect(await pauseAll()).toBe("running");
    expect(await host().run(id, READ_STATE)).toBe("1\n");
    await rm(filler);
    // What the disk holds is measured anew every two seconds.
    await expect.poll(pauseAll, { interval: 500 }).toBe("paused");
    await host().sandboxes.resume(id);
    expect(await host().run(id, READ_STATE)).toBe("1\n");
  });
});
