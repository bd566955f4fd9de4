import { afterEach, expect, it } from "vitest";
import { GuestClient } from "./client.ts";
import { loadOf } from "./host-load.ts";
import { FakeGuest } from "./testing/fake-guest.ts";
import { frame, head, START } from "./testing/frames.ts";

const COMMAND = { cmd: "python3", args: [], env: {}, timeoutMs: 0, stdin: false };
const END = frame('{"event":{"end":{"exitCode":0,"exited":true,"status":"exit status 0"}}}');

let guest: FakeGuest | undefined;
afterEach(() => guest?.close());

/** Runs a command in a guest that leaves the first `unanswered` questions whether it lives unanswered, then ends it. */
async function runWhileSilent(unanswered: number, processorMs: () => number, hung = false) {
  let questions = 0;
  let finish = () => {};
  guest = await FakeGuest.start((socket, request) => {
    if (!request.startsWith("GET /health")) {
      socket.write(head());
      socket.write(START);
      finish = () => void socket.end(END);
      return;
    }
    questions += 1;
    if (questions <= unanswered) return;
    socket.end("HTTP/1.1 204 No Content\r\n\r\n");
    finish();
  });
  // Silence is over at once for a guest that stands still, and never for one that works.
  const limits = { quietMs: 5, healthMs: 10, idleMs: 1, busyMs: 600_000 };
  const client = new GuestClient("127.0.0.1", guest.port, "token", { ...limits, processorMs });
  if (hung) client.hasHung = async () => true;
  const seen: string[] = [];
  for await (const event of client.commands.run(COMMAND)) seen.push(event.type);
  return seen;
}

it("a guest that is silent because it gets no turn is waited for", async () => {
  let used = 0;
  const working = () => (used += 10_000);
  expect(await runWhileSilent(8, working)).toEqual(["started", "ended"]);
});

it("one unanswered question condemns nobody", async () => {
  expect(await runWhileSilent(2, () => 0)).toEqual(["started", "ended"]);
});

it("a guest that is silent and does nothing is given up", async () => {
  await expect(runWhileSilent(1_000_000, () => 0)).rejects.toMatchObject({ code: "guest_unreachable" });
});

it("a guest that is at work and has hung is given up", async () => {
  let used = 0;
  const working = () => (used += 10_000);
  await expect(runWhileSilent(1_000_000, working, true)).rejects.toMatchObject({ code: "guest_unreachable" });
});

it.each([
  ["0.10 0.20 0.30 1/200 1234\n", 2, 1],
  ["8.00 4.00 2.00 3/200 1234\n", 2, 4],
  ["0.50 0.20 0.10 11/900 1234\n", 2, 6],
  ["500.00 400.00 300.00 400/900 1234\n", 2, 10],
])("knows from %j on %d processors how much longer things take", (text, processors, load) => {
  expect(loadOf(text, processors)).toBe(load);
});
