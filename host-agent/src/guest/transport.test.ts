import { afterEach, expect, it } from "vitest";
import { FakeGuest } from "./testing/fake-guest.ts";
import { head } from "./testing/frames.ts";

const NEVER = new AbortController().signal;
/** What the guest agent says of a full disk, and of a message that is too large. */
const EXHAUSTED = JSON.stringify({ code: "resource_exhausted", message: "no" });
/** More than the guest agent takes in one message. */
const LARGE = "x".repeat(17 * 1024 * 1024);

let guest: FakeGuest | undefined;
afterEach(() => guest?.close());

async function startGuest() {
  guest = await FakeGuest.start((socket) => {
    const body = `${head("application/json", "429 Too Many Requests", `content-length: ${EXHAUSTED.length}\r\n`)}`;
    socket.end(`${body}${EXHAUSTED}`);
  });
  return guest.client(10_000);
}

it("a full disk is called that, and a message that is larger than the guest takes is not", async () => {
  const { filesystem } = await startGuest();
  await expect(filesystem.makeDirectory("/d", undefined, true, NEVER)).rejects.toMatchObject({ code: "disk_full" });
  await expect(filesystem.stat(LARGE, undefined, NEVER)).rejects.toMatchObject({ code: "too_large" });
});

it("a command that is larger than the guest takes is refused as that", async () => {
  const client = await startGuest();
  const command = { cmd: "true", args: [LARGE], env: {}, timeoutMs: 0, stdin: false };
  await expect(client.commands.run(command).next()).rejects.toMatchObject({ code: "too_large" });
});
