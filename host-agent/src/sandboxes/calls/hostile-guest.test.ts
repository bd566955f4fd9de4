import { setTimeout } from "node:timers/promises";
import type { WarrenError } from "@warren/contracts/errors";
import { describe, expect, it } from "vitest";
import { GuestClient, type GuestIdentity } from "../../guest/client.ts";
import type { FakeGuest, Trick } from "../../guest/testing/fake-guest.ts";
import { head } from "../../guest/testing/frames.ts";
import { COMMAND, drops, failed, REFUSED, startGuest } from "./testing/hostile-guests.ts";

const NEVER = new AbortController().signal;
/** The same of guests that never say anything to the point. */
const LATE_MS = 60;
const IDENTITY: GuestIdentity = {
  sandboxId: "sb",
  templateId: "minimal",
  token: "new",
  env: {},
  hostname: "sb",
  defaultUser: "user",
  entropy: Buffer.alloc(64),
};

/** Calls that the guest answers by itself. */
const CALLS: [string, (guest: GuestClient) => Promise<unknown>][] = [
  ["health", (guest) => guest.health(LATE_MS)],
  ["init", (guest) => guest.init(IDENTITY, LATE_MS)],
  ["freeze", (guest) => guest.freeze()],
  ["close standard input", (guest) => guest.commands.closeStdin(7)],
  ["start a command", (guest) => guest.commands.run(COMMAND).next()],
];
const FILE_CALLS: typeof CALLS = [
  ["read a file", (guest) => guest.files.read({ path: "/f" })],
  ["write a file", (guest) => guest.files.write({ path: "/f", user: undefined }, [Buffer.from("x")])],
];

/** Answers that are given up when their time is over. */
const LATE: [string, Trick][] = [
  ["nothing", () => undefined],
  ["headers in drops", (socket) => drops(socket, "HTTP/1.1 200 OK\r\nx: yyyyyyyy")],
  ["a body in drops", (socket) => drops(socket, `${head("application/json", "500 Oh")}{"message":"`)],
];

describe.each(REFUSED)("a guest that answers with %s", (_, trick) => {
  it.each([...CALLS, ...FILE_CALLS])("fails to %s at once", async (_name, call) => {
    const guest = await startGuest(trick);
    // Without a limit of time: the answer itself is what is refused.
    expect(["agent_error", "guest_unreachable", "invalid_path"]).toContain(await failed(call(guest.client(600_000))));
  });
});

describe.each(LATE)("a guest that answers with %s", (_, trick) => {
  it.each([...CALLS, ...FILE_CALLS])("fails to %s in time", async (_name, call) => {
    const guest = await startGuest(trick);
    expect(["agent_error", "guest_unreachable"]).toContain(await failed(call(guest.client(LATE_MS))));
  });
});

describe("a guest that does not confirm its identity", () => {
  const CONFIRMED = { sandboxId: "sb", hostname: "sb", entropyBytes: 64, clockOffsetMs: 0 };
  const limits = { quietMs: 20, idleMs: 50, busyMs: 600_000, healthMs: 20 };
  const identify = (guest: FakeGuest, processorMs: () => number) =>
    new GuestClient("127.0.0.1", guest.port, "", { ...limits, processorMs }).init(IDENTITY, 600_000);

  it.each([-51, 51, 3_600_000, null, "0", undefined])(
    "is refused with a clock that is off by %s ms",
    async (offset) => {
      const guest = await startGuest((socket) => {
        socket.end(`${head("application/json")}${JSON.stringify({ ...CONFIRMED, clockOffsetMs: offset })}`);
      });
      expect(await failed(identify(guest, () => 0))).toBe("agent_error");
    },
  );

  it("is given up long before the limit when it says nothing and does nothing", async () => {
    const guest = await startGuest(() => undefined);
    expect(await failed(identify(guest, () => 0))).toBe("guest_unreachable");
  });

  it("is waited for while it is at work, or says that it lives", async () => {
    const late = async (socket: Parameters<Trick>[0]) => {
      // Longer than the busiest host would wait for one that rests.
      await setTimeout(11 * limits.idleMs + 500);
      socket.end(`${head("application/json")}${JSON.stringify(CONFIRMED)}`);
    };
    const busy = await startGuest((socket, request) => (request.startsWith("POST /init") ? late(socket) : undefined));
    expect(await identify(busy, () => performance.now())).toEqual(CONFIRMED);
    const slow = await startGuest((socket, request) =>
      request.startsWith("POST /init") ? late(socket) : void socket.end("HTTP/1.1 204 No Content\r\n\r\n"),
    );
    expect(await identify(slow, () => 0)).toEqual(CONFIRMED);
  });
});

describe("what a guest says of an error", () => {
  const answering = (body: object) =>
    startGuest((socket) => void socket.end(`${head("application/json", "400 No")}${JSON.stringify(body)}`));
  const messages = async (body: object) => {
    const client = (await answering(body)).client(600_000);
    const calls = [client.commands.closeStdin(7), client.freeze(), client.filesystem.stat("/f", undefined, NEVER)];
    const file = client.files.read({ path: "/f" });
    return Promise.all([...calls, file].map((call) => call.then(String, ({ message }: WarrenError) => message)));
  };

  it("reaches people without what would have it look like another text", async () => {
    for (const message of await messages({ code: "not_found", message: "no \u202e\u0007\u001b[31m\n\u2028file" })) {
      expect(message).toContain("no \\u202e\\u0007\\u001b[31m\\u000a\\u2028file");
      expect(message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
    }
  });

  it.each([{ code: "not_found", message: "" }, { code: "not_found" }, {}])("is never empty: %j", async (body) => {
    for (const message of await messages(body)) expect(message).toMatch(/\w/);
  });
});
