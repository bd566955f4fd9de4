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
  expect(uploads.countUnderWay).toBe(0);
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
  expect(uploads.countFailed).toBe(1);
  expect(uploads.first(2).map(({ name, error }) => [name, error])).toEqual([["f0", "There is no room."]]);
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

it("adds up what is left when what was over is forgotten, and lists no more than is asked for", async () => {
  const { uploads, sending } = held();
  const first = uploads.add(files(100, 200, 300, 400), "/");
  sending.get("f0")!.fail(new Error("There is no room."));
  sending.get("sub/f1")!.done();
  await expect.poll(() => uploads.countUnderWay).toBe(2);
  expect(uploads.first(2).map(({ state }) => state)).toEqual(["failed", "sending"]);
  const second = uploads.add(files(50), "/");
  expect([uploads.count, uploads.countUnderWay, uploads.countFailed]).toEqual([3, 3, 0]);
  expect([uploads.sent, uploads.bytes]).toEqual([0, 750]);
  uploads.cancelAll();
  await Promise.all([first, second]);
  expect([uploads.count, uploads.countUnderWay, uploads.bytes]).toEqual([3, 0, 0]);
});

it("takes as many files as one may drop in a moment, and gives them up in one", async () => {
  const MOST = 10_000;
  const names = Array.from({ length: MOST }, (_, index) => ({ directory: "", file: new File(["x"], `f${index}`) }));
  let asked = 0;
  const uploads = new Uploads(async (_, progress) => {
    asked += 1;
    progress(1);
    // What the panel reads after each change.
    expect(uploads.first(100).length).toBeLessThanOrEqual(100);
    expect(uploads.count).toBe(MOST);
  });
  await uploads.add(names, "/");
  expect([asked, uploads.sent, uploads.countUnderWay]).toEqual([MOST, MOST, 0]);
  const { uploads: others } = held();
  const over = others.add(names, "/");
  others.cancelAll();
  await over;
  expect([others.count, others.countUnderWay]).toEqual([MOST, 0]);
});
