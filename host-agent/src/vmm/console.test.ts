import { expect, test } from "vitest";
import { CONSOLE_BYTES, Console, connectConsole } from "./console.ts";
import { socketPair } from "./testing/peer.ts";

async function openConsole() {
  const { socket, peer } = await socketPair(connectConsole);
  return { console: new Console(socket), peer };
}

test("a text is found although it comes in pieces", async () => {
  const { console, peer } = await openConsole();
  const found = console.waitFor("agent: ready");
  for (const piece of ["boot...\nag", "ent: re", "ady\n"]) {
    await new Promise<void>((written) => peer.write(piece, () => written()));
  }
  await found;
  expect(console.tail()).toBe("boot...\nagent: ready\n");
});

test("a text that was printed before is found at once", async () => {
  const { console, peer } = await openConsole();
  peer.write("ready\n");
  await console.waitFor("ready");
  await console.waitFor("ready");
});

test("text that is not ASCII is found and kept whole", async () => {
  const { console, peer } = await openConsole();
  peer.write("Grüße\n");
  await console.waitFor("Grüße");
  expect(console.tail()).toBe("Grüße\n");
});

test("the end of the console ends the wait and shows what was printed", async () => {
  const { console, peer } = await openConsole();
  const waiting = console.waitFor("ready");
  peer.end("Kernel panic\n");
  await expect(waiting).rejects.toMatchObject({
    code: "boot_failed",
    message: expect.stringContaining("Kernel panic"),
  });
  await expect(console.waitFor("ready")).rejects.toMatchObject({ code: "boot_failed" });
});

test("a caller that gives up stops waiting", async () => {
  const { console } = await openConsole();
  await expect(console.waitFor("ready", AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  await expect(console.waitFor("ready", AbortSignal.timeout(10))).rejects.toMatchObject({ name: "TimeoutError" });
});

test("a flood costs bounded memory, its end is kept, and nothing is lost before it", async () => {
  const { console, peer } = await openConsole();
  for (let line = 0; line < 40_000; line++) peer.write(`line ${line} of a guest that prints without end\n`);
  peer.end("the end\n");
  await console.drain();
  const tail = console.tail();
  expect(Buffer.byteLength(tail)).toBe(CONSOLE_BYTES);
  expect(tail.endsWith("line 39999 of a guest that prints without end\nthe end\n")).toBe(true);
});

test("lines are told once they have ended, whatever pieces they come in, and cut when they are long", async () => {
  const { console, peer } = await openConsole();
  const lines: string[] = [];
  console.onLine((line) => lines.push(line));
  for (const piece of ["one\r\ntw", "o\r\n\r\n", "x".repeat(5000), "\nth", "ree\nnot yet"]) {
    await new Promise<void>((written) => peer.write(piece, () => written()));
  }
  peer.end();
  await console.drain();
  expect(lines).toEqual(["one", "two", "", "x".repeat(1024), "three"]);
});

test("what a guest prints byte by byte is taken many bytes at a time: a guest that waits for its console stands still", async () => {
  const { console, peer } = await openConsole();
  const found = console.waitFor("the end", AbortSignal.timeout(60_000));
  // Each is sent before the next is written, and arrives by itself.
  for (let byte = 0; byte < 20_000; byte++) {
    await new Promise<void>((sent) => peer.write("x", () => setImmediate(sent)));
  }
  peer.write("the end");
  await found;
});

test("all that has come is taken at once, in however many pieces it lies there", async () => {
  const { socket, peer } = await socketPair();
  for (let piece = 1; piece <= 20; piece++) {
    peer.write("x");
    await expect.poll(() => socket.readableLength).toBe(piece);
  }
  const console = new Console(socket);
  await console.waitFor("x");
  expect(console.tail()).toBe("x".repeat(20));
});
