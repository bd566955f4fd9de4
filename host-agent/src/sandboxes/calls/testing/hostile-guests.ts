import { gzipSync } from "node:zlib";
import { WarrenError } from "@warren/contracts/errors";
import { afterEach, expect } from "vitest";
import { MAX_MESSAGE } from "../../../guest/envelopes.ts";
import { FakeGuest, forever, type Trick } from "../../../guest/testing/fake-guest.ts";
import { frame, head, START } from "../../../guest/testing/frames.ts";
import { CallBounds } from "../../capacity/call-bounds.ts";
import type { SandboxRecord } from "../../record/journal.ts";
import type { LiveMicrovm } from "../../state/microvm.ts";
import { Sandbox } from "../../state/sandbox.ts";

export const MIB = 1024 * 1024;
/** Milliseconds after which the clients below give up a guest that says nothing to the point. */
export const LIMIT_MS = 300;
export const COMMAND = { cmd: "true", args: [], env: {}, timeoutMs: 0, stdin: false };

/** Says `start`, then `rest` again and again. */
const thenForever =
  (start: Buffer | string, rest: string): Trick =>
  (socket) => {
    socket.write(start);
    return forever(socket, rest);
  };

/** Answers that are given up at once. */
export const REFUSED: [string, Trick][] = [
  ["content that is compressed", thenForever(head("application/json", "200 OK", "content-encoding: gzip\r\n"), "x")],
  ["headers without end", thenForever("HTTP/1.1 200 OK\r\n", `x: ${"y".repeat(1000)}\r\n`)],
  ["one header without end", thenForever("HTTP/1.1 200 OK\r\nx: ", "y".repeat(65_536))],
  ["interim answers without end", thenForever("", "HTTP/1.1 103 Early Hints\r\n\r\n")],
  ["leave to go on without end", thenForever("", "HTTP/1.1 100 Continue\r\n\r\n".repeat(4000))],
  [
    "another protocol",
    thenForever("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "x"),
  ],
  ["no HTTP", thenForever("", "SSH-2.0-OpenSSH_9.2\r\n")],
  ["an error with a body without end", thenForever(head("application/json", "500 Oh"), "x".repeat(65_536))],
  ["a body of the wrong type without end", thenForever(head("text/html", "400 Oh"), "x".repeat(65_536))],
];

export async function drops(socket: Parameters<Trick>[0], start: string): Promise<void> {
  socket.write(start);
  const timer = setInterval(() => socket.write("x"), 20);
  socket.on("close", () => clearInterval(timer));
}

const guests: FakeGuest[] = [];
/** Starts a guest that is gone after the test. */
export async function startGuest(trick: Trick): Promise<FakeGuest> {
  const guest = await FakeGuest.start(trick);
  guests.push(guest);
  return guest;
}
afterEach(() => {
  for (const guest of guests.splice(0)) guest.close();
});

/** The code of the error that a call fails with, which says no more than a person reads. */
export const failed = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WarrenError);
  const { code, message } = error as WarrenError;
  expect(message.length).toBeLessThan(2000);
  return code;
};

/** What a command of a fake guest says. */
export const streaming =
  (...parts: (Buffer | string)[]): Trick =>
  (socket) => {
    socket.write(head());
    for (const part of parts) socket.write(part);
  };
/** The same, and then one part without end. */
export const endlessly =
  (part: Buffer, ...before: Buffer[]): Trick =>
  async (socket) => {
    streaming(...before)(socket, "");
    await forever(socket, Buffer.concat(Array.from({ length: Math.ceil(65_536 / part.length) }, () => part)));
  };
export const json = (value: unknown) => frame(JSON.stringify(value));
export const data = (output: object) => json({ event: { data: output } });
const OUTPUT = data({ stdout: "QQ==" });
/** Says `start`, then `rest` again and again, each byte of them in a chunk of its own. */
export const inTinyChunks = (type: string, start: Buffer, rest: Buffer): Trick => {
  const cut = (bytes: Buffer) => Array.from(bytes.toString("latin1"), (byte) => `1\r\n${byte}\r\n`).join("");
  return (socket) => {
    socket.write(`${head(type, "200 OK", "transfer-encoding: chunked\r\n")}${cut(start)}`, "latin1");
    return forever(socket, Buffer.from(cut(rest).repeat(200), "latin1"));
  };
};
/** Fields that no guest agent has, as many as a message may hold. */
const JUNK = Object.fromEntries(Array.from({ length: 5000 }, (_, key) => [`key${key}`, 0]));

/** Streams of a command that are given up at once. */
export const STREAMS: [string, Trick][] = [
  ["compressed messages", streaming(START, frame(gzipSync(Buffer.alloc(100 * MIB)), { flags: 1 }))],
  [
    "a message of 4 GiB",
    thenForever(Buffer.concat([Buffer.from(head()), frame("", { length: 0xffffffff })]), "x".repeat(65_536)),
  ],
  ["a message above the limit", streaming(START, frame("", { length: MAX_MESSAGE + 1 }))],
  ["unknown flags", streaming(START, frame("{}", { flags: 0x40 }))],
  ["empty output without end", endlessly(data({ stdout: "" }), START)],
  ["output of no stream without end", endlessly(data({}), START)],
  ["signs of life without end", endlessly(json({ event: { keepalive: {} } }), START)],
  ["events of nothing without end", endlessly(json({}), START)],
  ["starts without end", endlessly(START)],
  ["output before the start", streaming(data({ stdout: "YQ==" }))],
  ["output amid JSON without end", endlessly(json({ event: { data: { stdout: "QQ==" } }, junk: JUNK }), START)],
  ["signs of life amid JSON", streaming(START, ...Array(20).fill(json({ event: { keepalive: {} }, junk: JUNK })))],
  ["a body in chunks of a byte", inTinyChunks("application/connect+json", Buffer.concat([START, OUTPUT]), OUTPUT)],
  ["JSON that is nested deeply", streaming(START, frame(`{"event":${"[".repeat(MAX_MESSAGE - 100)}`))],
  ["JSON of many objects", streaming(START, frame(`{"event":[${"{},".repeat(MAX_MESSAGE / 4)}{}]}`))],
  ["a process id beyond 32 bits", streaming(json({ event: { start: { pid: 2 ** 40 } } }))],
  ["a negative process id", streaming(json({ event: { start: { pid: -1 } } }))],
  ["a process id beyond all numbers", streaming(frame('{"event":{"start":{"pid":1e999}}}'))],
  ["an exit status beyond 32 bits", streaming(START, json({ event: { end: { exitCode: 2 ** 50, status: "" } } }))],
  ["another content type", (socket) => void socket.write(Buffer.concat([Buffer.from(head("text/html")), START]))],
  ["an end, and more after it", streaming(START, frame("{}", { flags: 2 }), frame("{}"))],
  ["an end without the end of the command", streaming(START, frame("{}", { flags: 2 }))],
  ["an end of another shape", streaming(START, frame('{"error":{"code":{},"message":[[[]]]}}', { flags: 2 }))],
];

/** A sandbox whose microVM is a guest of a test. */
export function sandboxOf(guest: FakeGuest, record: Partial<SandboxRecord> = {}, bounds = new CallBounds()): Sandbox {
  const usual = { id: "sb", teamId: "team", status: "running", lastActiveAt: 0, timeoutSec: 0 };
  const sandbox = new Sandbox({ ...usual, ...record } as SandboxRecord);
  sandbox.bounds = bounds;
  sandbox.attach({ guest: guest.client(LIMIT_MS, 600_000) } as unknown as LiveMicrovm);
  return sandbox;
}
