import { LIMITS } from "@warren/contracts/limits";
import { expect, test } from "vitest";
import type { GuestClient } from "../../guest/client.ts";
import { StandardInput } from "./standard-input.ts";

const KIB = 1024;
const bytes = (length: number, value = 0) => new Uint8Array(length).fill(value);

/** Input of a process, and what its guest was told in order. `write` is what the guest does with a piece. */
function input(write: (data: Uint8Array) => Promise<boolean>, takesStreams = true) {
  const told: string[] = [];
  const stop = new AbortController();
  let taken = 0;
  const stream = {
    write: async (data: Uint8Array) => {
      told.push(`write ${data.length}`);
      return write(data);
    },
    end: async () => void told.push("end"),
  };
  const commands = {
    openInput: async () => (takesStreams ? stream : undefined),
    sendInput: async (_pid: number, data: Uint8Array) => {
      told.push(`send ${data.length}`);
      await write(data);
    },
    closeStdin: async () => void told.push("close"),
  };
  const guest = { commands } as unknown as GuestClient;
  const onTaken = (count: number) => {
    taken += count;
  };
  const stdin = new StandardInput(guest, 7, false, { stop: stop.signal, onTaken });
  return { stdin, told, stop, taken: () => taken };
}

test("pieces come to the process in their order, and then the end", async () => {
  const { stdin, told, taken } = input(async () => true);
  for (const length of [1, 2, 3]) await stdin.push(bytes(length));
  stdin.close();
  await expect.poll(() => told.at(-1)).toBe("close");
  expect(told).toEqual(["write 1", "write 2", "write 3", "end", "close"]);
  expect(taken()).toBe(6);
});

test("who leaves has given what was taken, and the process may be given more by others", async () => {
  const { stdin, told } = input(async () => true);
  for (const length of [1, 2]) void stdin.push(bytes(length));
  await stdin.leave();
  expect(told).toEqual(["write 1", "write 2", "end"]);
  await stdin.push(bytes(3));
  expect(told).toHaveLength(3);
});

test("who sends is held back once more is on the way than callers may be ahead, until the process reads on", async () => {
  const reads = Promise.withResolvers<boolean>();
  const { stdin, taken } = input(() => reads.promise);
  // As much as may be ahead is taken at once from a process that reads nothing.
  await stdin.push(bytes(LIMITS.stdinAheadBytes));
  let isTaken = false;
  const more = stdin.push(bytes(1)).then(() => {
    isTaken = true;
  });
  await new Promise(setImmediate);
  expect(isTaken).toBe(false);
  expect(taken()).toBe(0);
  reads.resolve(true);
  await more;
  expect(taken()).toBe(LIMITS.stdinAheadBytes + 1);
});

test.each([
  ["takes no more", async () => false],
  ["fails", () => Promise.reject(new Error("gone"))],
])("what follows once the process %s is dropped, and its senders are not held back", async (_, write) => {
  const { stdin, told, taken } = input(write);
  await stdin.push(bytes(1));
  await stdin.push(bytes(2 * LIMITS.stdinAheadBytes));
  expect(told).toEqual(["write 1"]);
  expect(taken()).toBe(1 + 2 * LIMITS.stdinAheadBytes);
  stdin.close();
  await expect.poll(() => told.at(-1)).toBe("close");
});

test("a guest agent that takes no stream gets pieces of a bounded size", async () => {
  const { stdin, told } = input(async () => true, false);
  await stdin.push(bytes(600 * KIB));
  stdin.close();
  await expect.poll(() => told.at(-1)).toBe("close");
  expect(told).toEqual([`send ${256 * KIB}`, `send ${256 * KIB}`, `send ${88 * KIB}`, "close"]);
});

test("pieces that are left are not sent once nobody wants them passed on", async () => {
  const { stdin, told, stop } = input(async () => {
    stop.abort();
    return true;
  }, false);
  await stdin.push(bytes(600 * KIB));
  stdin.close();
  await expect.poll(() => told.at(-1)).toBe("close");
  expect(told).toEqual([`send ${256 * KIB}`, "close"]);
});
