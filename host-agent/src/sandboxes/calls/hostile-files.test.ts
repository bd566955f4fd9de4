import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { head } from "../../guest/testing/frames.ts";
import type { LiveMicrovm } from "../state/microvm.ts";
import { readWholeFile, sendFile } from "./files.ts";
import { drops, failed, inTinyChunks, LIMIT_MS, MIB, sandboxOf, startGuest } from "./testing/hostile-guests.ts";

const NEVER = new AbortController().signal;

/** Less than is moved through buffers that are used again, and more. */
it.each([1000, 64 * MIB])("a file of %d bytes that a guest stops sending is given up", async (size) => {
  const file = head("application/octet-stream", "200 OK", `content-length: ${size}\r\n`);
  const guest = await startGuest((socket) => void socket.write(`${file}some`));
  const taken = new PassThrough().resume();
  const sent = sendFile(sandboxOf(guest), { path: "/f" }, () => taken, new AbortController().signal);
  await expect(sent).rejects.toThrow();
  expect(await failed(readWholeFile(sandboxOf(guest), "/f", undefined))).toBe("guest_unreachable");
});

it("a file that a guest sends in drops is given up", async () => {
  const guest = await startGuest((socket) => drops(socket, head("application/octet-stream")));
  const taken = new PassThrough().resume();
  const sent = sendFile(sandboxOf(guest), { path: "/f" }, () => taken, new AbortController().signal);
  await expect(sent).rejects.toThrow();
  expect(await failed(readWholeFile(sandboxOf(guest), "/f", undefined))).toBe("guest_unreachable");
}, 60_000);

it("a file that a guest sends in chunks of a byte is given up", async () => {
  const guest = await startGuest(inTinyChunks("application/octet-stream", Buffer.from("some"), Buffer.from("more")));
  const sandbox = sandboxOf(guest);
  sandbox.attach({ guest: guest.client(600_000) } as unknown as LiveMicrovm);
  const taken = new PassThrough().resume();
  expect(await failed(sendFile(sandbox, { path: "/f" }, () => taken, NEVER))).toBe("agent_error");
  expect(await failed(readWholeFile(sandbox, "/f", undefined))).toBe("agent_error");
});

it("a list of more entries than anybody asks for is refused before anything is made of its entries", async () => {
  // Whoever made messages of the entries would stumble over the first.
  const list = `{"entries":[{"size":"none"},${"{},".repeat(300_000)}{}]}`;
  const guest = await startGuest((socket) => void socket.end(`${head("application/json")}${list}`));
  const { filesystem } = guest.client(600_000);
  const call = filesystem.list("/", undefined, { depth: 1, limit: 10, after: "" }, NEVER);
  await expect(call).rejects.toMatchObject({ code: "agent_error", message: expect.stringContaining("a list that is") });
});

it("a file that its caller is slow to take is not given up", async () => {
  let sendRest = () => {};
  const guest = await startGuest((socket) => {
    socket.write(`${head("application/octet-stream", "200 OK", "content-length: 8\r\n")}some`);
    sendRest = () => void socket.write("more");
  });
  let looks = 0;
  const isFull = () => {
    looks += 1;
    if (looks === 3) sendRest();
    return true;
  };
  const { content } = await guest.client(LIMIT_MS).files.read({ path: "/f" }, undefined, isFull);
  expect(await text(content)).toBe("somemore");
});

it("a file that a guest stops taking is given up, one that its caller is slow to give is not", async () => {
  const deaf = await startGuest((socket) => void socket.pause());
  const large = Array.from({ length: 64 }, () => Buffer.alloc(MIB));
  expect(await failed(deaf.client(LIMIT_MS).files.write({ path: "/f", user: undefined }, large))).toBe(
    "guest_unreachable",
  );
  const guest = await startGuest((socket) => {
    socket.on("data", (chunk: Buffer) => {
      if (chunk.includes("last")) socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    });
  });
  async function* slowly() {
    yield Buffer.from("first");
    // Longer than the guest may take.
    await setTimeout(4 * LIMIT_MS);
    yield Buffer.from("last");
  }
  await guest.client(LIMIT_MS).files.write({ path: "/f", user: undefined }, slowly());
});
