import { expect, it } from "vitest";
import { Uploads } from "./uploads.ts";

const files = (...sizes: number[]) =>
  sizes.map((size, index) => ({ directory: index % 2 ? "sub" : "", file: new File(["x".repeat(size)], `f${index}`) }));

/** Uploads that end when the test says so. */
function held() {
  const sending = new Map<
    string,
    { progress: (bytes: number) => void; done: () => void; fail: (error: Error) => void }
  >();
  const uploads = new Uploads(
    ({ name }, progress, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        sending.set(name, { progress, done: resolve, fail: reject });
      }),
  );
  return { uploads, sending };
}

it("sends three at once, into the directories in which they lay", async () => {
  const { uploads, sending } = held();
  const over = uploads.add(files(1, 1, 1, 1), "/home");
  expect([...sending.keys()]).toEqual(["f0", "sub/f1", "f2"]);
  expect(uploads.all.map(({ directory }) => directory)).toEqual(["/home", "/home/sub", "/home", "/home/sub"]);
  sending.get("f0")!.done();
  await expect.poll(() => sending.size).toBe(4);
  for (const { done } of sending.values()) done();
  await over;
  expect(uploads.underWay).toEqual([]);
});

it("adds up the bytes of those that are not given up", async () => {
  const { uploads, sending } = held();
  const over = uploads.add(files(100, 200, 300), "/");
  sending.get("f0")!.done();
  sending.get("sub/f1")!.progress(50);
  await expect.poll(() => uploads.all[0]!.state).toBe("done");
  expect([uploads.sent, uploads.bytes]).toEqual([150, 600]);
  uploads.cancel(uploads.all[2]!.id);
  expect([uploads.sent, uploads.bytes]).toEqual([150, 300]);
  uploads.cancelAll();
  await over;
});

it("goes on after one that fails, which says why", async () => {
  const { uploads, sending } = held();
  const over = uploads.add(files(1, 1), "/");
  sending.get("f0")!.fail(new Error("There is no room."));
  sending.get("sub/f1")!.done();
  await over;
  expect(uploads.failed.map(({ name, error }) => [name, error])).toEqual([["f0", "There is no room."]]);
  expect(uploads.all[1]!.state).toBe("done");
  uploads.clear();
  expect(uploads.all).toEqual([]);
});

it("cancels what is sent and what waits, and takes others afterwards", async () => {
  const { uploads, sending } = held();
  const over = uploads.add(files(1, 1, 1, 1, 1), "/");
  uploads.cancelAll();
  await over;
  expect(uploads.all.map(({ state }) => state)).toEqual(Array(5).fill("cancelled"));
  expect(sending.size).toBe(3);
  const again = uploads.add(files(1), "/");
  expect(uploads.all).toHaveLength(1);
  await expect.poll(() => uploads.all[0]!.state).toBe("sending");
  sending.get("f0")!.done();
  await again;
  expect(uploads.all[0]!.state).toBe("done");
});
