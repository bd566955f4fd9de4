import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import { ListFilesRequestSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { afterEach, describe, expect, it } from "vitest";
import { type CommandEvent, GuestClient, type GuestIdentity } from "../../guest/client.ts";
import { MAX_MESSAGE } from "../../guest/envelopes.ts";
import { FakeGuest, forever, type Trick } from "../../guest/testing/fake-guest.ts";
import { frame, head, START } from "../../guest/testing/frames.ts";
import { fileCalls } from "../../rpc/file-calls.ts";
import { CALL_LIMITS, CallBounds } from "../capacity/call-bounds.ts";
import type { SandboxRecord } from "../record/journal.ts";
import type { LiveMicrovm } from "../state/microvm.ts";
import { Sandbox } from "../state/sandbox.ts";
import { runCommand, streamCommand } from "./commands.ts";
import { readWholeFile, sendFile } from "./files.ts";

const MIB = 1024 * 1024;
const NEVER = new AbortController().signal;
/** Milliseconds after which the clients below give up a guest that says nothing to the point. */
const LIMIT_MS = 300;
/** The same of guests that never say anything to the point. */
const LATE_MS = 60;
const COMMAND = { cmd: "true", args: [], env: {}, timeoutMs: 0, stdin: false };
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
  ["close standard input", (guest) => guest.closeStdin(7)],
  ["start a command", (guest) => guest.run(COMMAND).next()],
];
const FILE_CALLS: typeof CALLS = [
  ["read a file", (guest) => guest.files.read("/f", undefined)],
  ["write a file", (guest) => guest.files.write({ path: "/f", user: undefined }, [Buffer.from("x")])],
];

/** Says `start`, then `rest` again and again. */
const thenForever =
  (start: Buffer | string, rest: string): Trick =>
  (socket) => {
    socket.write(start);
    return forever(socket, rest);
  };

/** Answers that are given up at once. */
const REFUSED: [string, Trick][] = [
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

/** Answers that are given up when their time is over. */
const LATE: [string, Trick][] = [
  ["nothing", () => undefined],
  ["headers in drops", (socket) => drops(socket, "HTTP/1.1 200 OK\r\nx: yyyyyyyy")],
  ["a body in drops", (socket) => drops(socket, `${head("application/json", "500 Oh")}{"message":"`)],
];

async function drops(socket: Parameters<Trick>[0], start: string): Promise<void> {
  socket.write(start);
  const timer = setInterval(() => socket.write("x"), 20);
  socket.on("close", () => clearInterval(timer));
}

const guests: FakeGuest[] = [];
async function startGuest(trick: Trick): Promise<FakeGuest> {
  const guest = await FakeGuest.start(trick);
  guests.push(guest);
  return guest;
}
afterEach(() => {
  for (const guest of guests.splice(0)) guest.close();
});

const failed = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WarrenError);
  const { code, message } = error as WarrenError;
  expect(message.length).toBeLessThan(2000);
  return code;
};

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

/** What a command of a fake guest says. */
const streaming =
  (...parts: (Buffer | string)[]): Trick =>
  (socket) => {
    socket.write(head());
    for (const part of parts) socket.write(part);
  };
const endlessly =
  (part: Buffer, ...before: Buffer[]): Trick =>
  async (socket) => {
    streaming(...before)(socket, "");
    await forever(socket, Buffer.concat(Array.from({ length: Math.ceil(65_536 / part.length) }, () => part)));
  };
const json = (value: unknown) => frame(JSON.stringify(value));
const data = (output: object) => json({ event: { data: output } });
const OUTPUT = data({ stdout: "QQ==" });
/** Says `start`, then `rest` again and again, each byte of them in a chunk of its own. */
const inTinyChunks = (type: string, start: Buffer, rest: Buffer): Trick => {
  const cut = (bytes: Buffer) => Array.from(bytes.toString("latin1"), (byte) => `1\r\n${byte}\r\n`).join("");
  return (socket) => {
    socket.write(`${head(type, "200 OK", "transfer-encoding: chunked\r\n")}${cut(start)}`, "latin1");
    return forever(socket, Buffer.from(cut(rest).repeat(200), "latin1"));
  };
};
/** Fields that no guest agent has, as many as a message may hold. */
const JUNK = Object.fromEntries(Array.from({ length: 5000 }, (_, key) => [`key${key}`, 0]));

/** Streams of a command that are given up at once. */
const STREAMS: [string, Trick][] = [
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

function sandboxOf(guest: FakeGuest, record: Partial<SandboxRecord> = {}, bounds = new CallBounds()): Sandbox {
  const usual = { id: "sb", teamId: "team", status: "running", lastActiveAt: 0, timeoutSec: 0 };
  const sandbox = new Sandbox({ ...usual, ...record } as SandboxRecord);
  sandbox.bounds = bounds;
  sandbox.attach({ guest: guest.client(LIMIT_MS, 600_000) } as unknown as LiveMicrovm);
  return sandbox;
}

it.each(STREAMS)("a command whose guest answers with %s fails at once", async (_, trick) => {
  const guest = await startGuest(trick);
  expect(["agent_error", "guest_unreachable", "invalid_request"]).toContain(
    await failed(runCommand(sandboxOf(guest), COMMAND, undefined)),
  );
});

/** Less than is moved through buffers that are used again, and more. */
it.each([1000, 64 * MIB])("a file of %d bytes that a guest stops sending is given up", async (size) => {
  const file = head("application/octet-stream", "200 OK", `content-length: ${size}\r\n`);
  const guest = await startGuest((socket) => void socket.write(`${file}some`));
  const taken = new PassThrough().resume();
  const sent = sendFile(sandboxOf(guest), "/f", undefined, () => taken, new AbortController().signal);
  await expect(sent).rejects.toThrow();
  expect(await failed(readWholeFile(sandboxOf(guest), "/f", undefined))).toBe("guest_unreachable");
});

it("a file that a guest sends in drops is given up", async () => {
  const guest = await startGuest((socket) => drops(socket, head("application/octet-stream")));
  const taken = new PassThrough().resume();
  const sent = sendFile(sandboxOf(guest), "/f", undefined, () => taken, new AbortController().signal);
  await expect(sent).rejects.toThrow();
  expect(await failed(readWholeFile(sandboxOf(guest), "/f", undefined))).toBe("guest_unreachable");
}, 60_000);

it("a file that a guest sends in chunks of a byte is given up", async () => {
  const guest = await startGuest(inTinyChunks("application/octet-stream", Buffer.from("some"), Buffer.from("more")));
  const sandbox = sandboxOf(guest);
  sandbox.attach({ guest: guest.client(600_000) } as unknown as LiveMicrovm);
  const taken = new PassThrough().resume();
  expect(await failed(sendFile(sandbox, "/f", undefined, () => taken, NEVER))).toBe("agent_error");
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
  const { content } = await guest.client(LIMIT_MS).files.read("/f", undefined, undefined, isFull);
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

/** Codes by which a call of the API says something of the sandbox or the caller; the guest agent starts no command with them. */
it.each(["not_found", "already_exists", "failed_precondition", "permission_denied", "aborted", "made_up"])(
  "a command whose guest refuses it with %s fails by the agent's fault",
  async (code) => {
    const error = JSON.stringify({ error: { code, message: "sandbox sb is gone" } });
    const streamed = await startGuest(streaming(frame(error, { flags: 2 })));
    expect(await failed(runCommand(sandboxOf(streamed), COMMAND, undefined))).toBe("agent_error");
    const plain = await startGuest((socket) => {
      socket.end(`${head("application/json", "404 Not Found")}${JSON.stringify({ code, message: "gone" })}`);
    });
    expect(await failed(runCommand(sandboxOf(plain), COMMAND, undefined))).toBe("agent_error");
  },
);

it.each([
  ["invalid_argument", "invalid_request"],
  ["resource_exhausted", "guest_exhausted"],
])("a command whose guest refuses it with %s fails with %s", async (code, expected) => {
  const error = JSON.stringify({ error: { code, message: "cwd '/x' does not exist" } });
  const guest = await startGuest(streaming(frame(error, { flags: 2 })));
  expect(await failed(runCommand(sandboxOf(guest), COMMAND, undefined))).toBe(expected);
});

it.each([-1, 256, 2 ** 31 - 1])("a command whose guest says that it ended with status %d fails", async (exitCode) => {
  const end = json({ event: { end: { exitCode, exited: true, status: "" } } });
  const guest = await startGuest(streaming(START, end));
  expect(await failed(runCommand(sandboxOf(guest), COMMAND, undefined))).toBe("agent_error");
});

it("a command whose guest does not end it when its time is up is given up", async () => {
  const guest = await startGuest(streaming(START));
  const limited = { ...COMMAND, timeoutMs: 100 };
  expect(await failed(runCommand(sandboxOf(guest), limited, undefined))).toBe("guest_unreachable");
});

it("a command that is given a time limit while it runs is given up as well", async () => {
  const guest = await startGuest(streaming(START));
  const client = guest.client(LIMIT_MS, 600_000);
  const command = client.run(COMMAND);
  expect(await command.next()).toMatchObject({ value: { type: "started", pid: 7 } });
  await failed(client.limit(7, 100));
  expect(await failed(command.next())).toBe("guest_unreachable");
});

it("a command whose reader is slow is not given up: its end may wait behind what the reader has yet to take", async () => {
  const end = json({ event: { end: { exitCode: 3, exited: true, status: "exit status 3" } } });
  // More than fits into the buffers on the way.
  const output = Array.from({ length: 256 }, () => data({ stdout: Buffer.alloc(64 * 1024).toString("base64") }));
  const guest = await startGuest(streaming(START, ...output, end));
  const command = guest.client(LIMIT_MS, 600_000).run({ ...COMMAND, timeoutMs: 100 });
  for (const type of ["started", "stdout"]) expect(await command.next()).toMatchObject({ value: { type } });
  // Longer than the command would be waited for on the busiest host.
  await setTimeout(100 + 11 * LIMIT_MS);
  let last: CommandEvent | undefined;
  for await (const event of command) last = event;
  expect(last).toMatchObject({ type: "ended", exitCode: 3 });
});

describe.each([
  ["a byte at a time", [data({ stdout: "QQ==" })]],
  ["a byte at a time of either stream", [data({ stdout: "QQ==" }), data({ stderr: "QQ==" })]],
])("a guest that sends output without end, %s", (_, parts) => {
  it("leaves calls into others their time", async () => {
    const guest = await startGuest(endlessly(Buffer.concat(parts), START));
    const end = json({ event: { end: { exitCode: 0, exited: true, status: "exit status 0" } } });
    const other = await startGuest(streaming(START, data({ stdout: "b2s=" }), end));
    const caller = new AbortController();
    const flooded = Promise.withResolvers<void>();
    let events = 0;
    const flood = (async () => {
      for await (const _event of streamCommand(sandboxOf(guest), COMMAND, undefined, caller.signal)) {
        events += 1;
        if (events === 100) flooded.resolve();
      }
    })().catch(() => undefined);
    await flooded.promise;
    const before = events;
    for (let call = 0; call < 5; call++) await runCommand(sandboxOf(other, { id: "other" }), COMMAND, undefined);
    expect(events - before).toBeLessThan(5000);
    caller.abort();
    await flood;
  });
});

it("output that comes together is passed on together, in order", async () => {
  const bytes = Array.from({ length: 1000 }, (_, at) => data({ [at % 500 < 250 ? "stdout" : "stderr"]: "QQ==" }));
  const end = json({ event: { end: { exitCode: 0, exited: true, status: "exit status 0" } } });
  const guest = await startGuest(
    (socket) => void socket.write(Buffer.concat([Buffer.from(head()), START, ...bytes, end])),
  );
  const events: CommandEvent[] = [];
  for await (const event of guest.client(600_000).run(COMMAND)) events.push(event);
  const output = events.flatMap((event) => ("data" in event ? [[event.type, event.data.length] as const] : []));
  expect(output.length).toBeLessThan(50);
  let at = 0;
  for (const [type, length] of output) {
    expect(type).toBe(at % 500 < 250 ? "stdout" : "stderr");
    at += length;
  }
  expect(at).toBe(1000);
});

it("a guest cannot say that the time of a command was up when it was not", async () => {
  const guest = await startGuest(streaming(START, json({ event: { end: { signal: 15, timedOut: true } } })));
  const late = await startGuest(streaming(START, frame('{"error":{"code":"deadline_exceeded"}}', { flags: 2 })));
  for (const timeoutMs of [0, 600_000]) {
    const command = { ...COMMAND, timeoutMs };
    const result = await runCommand(sandboxOf(guest), command, undefined);
    expect(result).toMatchObject({ signal: "SIGTERM", timedOut: false });
    expect(await failed(runCommand(sandboxOf(late), command, undefined))).toBe("agent_error");
  }
});

it("a guest that says that the time of a command was up, when it was, is believed", async () => {
  const guest = await startGuest(async (socket) => {
    streaming(START)(socket, "");
    await setTimeout(100);
    socket.write(json({ event: { end: { signal: 15, timedOut: true } } }));
  });
  const result = await runCommand(sandboxOf(guest), { ...COMMAND, timeoutMs: 100 }, undefined);
  expect(result).toMatchObject({ signal: "SIGTERM", timedOut: true });
});

describe("what a guest says of an error", () => {
  const answering = (body: object) =>
    startGuest((socket) => void socket.end(`${head("application/json", "400 No")}${JSON.stringify(body)}`));
  const messages = async (body: object) => {
    const client = (await answering(body)).client(600_000);
    const calls = [client.closeStdin(7), client.freeze(), client.filesystem.stat("/f", undefined, NEVER)];
    const file = client.files.read("/f", undefined);
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

it("a command ends with its end event, whatever the guest goes on to say", async () => {
  const end = json({ event: { end: { exitCode: 3, exited: true, status: "exit status 3" } } });
  const guest = await startGuest(endlessly(data({ stdout: "YQ==" }), START, data({ stdout: "b2s=" }), end));
  const result = await runCommand(sandboxOf(guest), COMMAND, undefined);
  expect({ ...result, stdout: String(result.stdout) }).toMatchObject({ exitCode: 3, stdout: "ok" });
});

it.each([{ signal: 4_294_967_295 }, { status: "signal: __proto__" }, { status: "signal: constructor" }])(
  "a command that a guest says was ended by %j has an exit status",
  async (end) => {
    const guest = await startGuest(streaming(START, json({ event: { end } })));
    expect(await runCommand(sandboxOf(guest), COMMAND, undefined)).toMatchObject({ exitCode: 128, signal: "unknown" });
  },
);

it("memory stays flat under 20 guests that play every trick at once", async () => {
  const tricks = [...STREAMS, ...REFUSED].map(([, trick]) => trick);
  const round = async () => {
    const started = await Promise.all(Array.from({ length: 20 }, (_, n) => startGuest(tricks[n % tricks.length]!)));
    await Promise.all(started.map((guest) => failed(runCommand(sandboxOf(guest), COMMAND, undefined))));
    for (const guest of started) guest.close();
  };
  await round();
  const before = process.memoryUsage.rss();
  for (let count = 0; count < 3; count++) await round();
  expect(process.memoryUsage.rss() - before).toBeLessThan(150 * MIB);
});

describe("guests that never end what they begin", () => {
  const PIECE = MIB / 4;
  const OUTPUT = data({ stdout: Buffer.alloc(PIECE).toString("base64") });
  /** Says that the command has started and has a piece of output, and nothing after that. */
  const outputAndSilence: Trick = (socket, request) => {
    if (request.startsWith("GET /health")) socket.end("HTTP/1.1 204 No Content\r\n\r\n");
    else if (request.includes("/Start")) socket.write(Buffer.concat([Buffer.from(head()), START, OUTPUT]));
  };

  it("take no more memory than output of a team may", async () => {
    const bounds = new CallBounds({ ...CALL_LIMITS, outputPerTeam: 3 * PIECE + 1, output: 5 * PIECE + 1 });
    const guest = await startGuest(outputAndSilence);
    const caller = new AbortController();
    const run = (teamId: string) =>
      failed(runCommand(sandboxOf(guest, { teamId }, bounds), COMMAND, undefined, undefined, caller.signal));
    const ended: Record<string, string[]> = { one: [], two: [], three: [] };
    const runs = ["one", "one", "one", "one", "one", "two", "two", "three"].map((team) =>
      run(team).then((code) => ended[team]!.push(code)),
    );
    await expect.poll(() => Object.values(ended).flat().length, { timeout: 30_000 }).toBe(3);
    expect([ended.one!.length, ended.two!.length + ended.three!.length]).toEqual([2, 1]);
    expect(new Set(Object.values(ended).flat())).toEqual(new Set(["rate_limited"]));
    caller.abort();
    await Promise.all(runs);
    // What was held is free again.
    bounds.hold({ id: "sb", teamId: "one" }).add(3 * PIECE);
  });

  it("take no more memory than output of a team may by lists of files, and by files that are read as a whole", async () => {
    const guest = await startGuest((socket, request) => {
      if (request.includes("/ListDir")) socket.write(`${head("application/json")}{"entries":[${" ".repeat(PIECE)}`);
      else socket.write(Buffer.concat([Buffer.from(head("application/octet-stream")), Buffer.alloc(PIECE)]));
    });
    const bounds = new CallBounds({ ...CALL_LIMITS, outputPerTeam: 2 * PIECE });
    const sandbox = sandboxOf(guest, {}, bounds);
    sandbox.attach({ guest: guest.client(600_000) } as unknown as LiveMicrovm);
    const caller = new AbortController();
    const { listFiles } = fileCalls({ awake: async () => sandbox });
    const request = create(ListFilesRequestSchema, { sandboxId: "sb", path: "/", depth: 1, limit: 10 });
    const list = () => Promise.resolve(listFiles(request, { signal: caller.signal } as HandlerContext));
    const read = () => readWholeFile(sandbox, "/f", undefined, caller.signal);
    const ended: string[] = [];
    const calls = [list, list, read, read].map((call) => call().catch((error: WarrenError) => ended.push(error.code)));
    await expect.poll(() => ended.length, { timeout: 30_000 }).toBeGreaterThan(1);
    expect(ended.slice(0, 2)).toEqual(["rate_limited", "rate_limited"]);
    caller.abort();
    await Promise.all(calls);
    bounds.hold({ id: "sb", teamId: "team" }).add(2 * PIECE);
  });

  it("keep nothing of a team's output once it has been refused, while they say nothing of the end of its command", async () => {
    const bounds = new CallBounds({ ...CALL_LIMITS, outputPerTeam: 2 * PIECE - 1 });
    const ending = Promise.withResolvers<void>();
    const guest = await startGuest((socket, request) => {
      if (request.includes("/SendSignal")) ending.resolve();
      outputAndSilence(socket, request);
      if (request.includes("/Start")) socket.write(OUTPUT);
    });
    const client = guest.client(600_000);
    const sandbox = sandboxOf(guest, {}, bounds);
    sandbox.attach({ guest: client } as unknown as LiveMicrovm);
    const run = failed(runCommand(sandbox, COMMAND, undefined));
    await ending.promise;
    bounds.hold({ id: "sb", teamId: "team" }).add(2 * PIECE - 1);
    client.close();
    expect(await run).toBe("rate_limited");
  });

  it("have no long message held that they never end", async () => {
    const guest = await startGuest((socket, request) => {
      if (request.startsWith("GET /health")) socket.end("HTTP/1.1 204 No Content\r\n\r\n");
      else socket.write(Buffer.concat([Buffer.from(head()), START, frame("x".repeat(1000), { length: MIB })]));
    });
    expect(await failed(runCommand(sandboxOf(guest), COMMAND, undefined))).toBe("agent_error");
  });

  it("take no more calls than a sandbox, a team and the host may have", async () => {
    const bounds = new CallBounds({ ...CALL_LIMITS, callsPerSandbox: 2, callsPerTeam: 3, calls: 5 });
    const guest = await startGuest(() => undefined);
    const use = async (id: string, teamId: string) => {
      const call = sandboxOf(guest, { id, teamId }, bounds).use(async function* () {
        yield;
      });
      const code = await call.next().then(
        () => "taken",
        (error: WarrenError) => error.code,
      );
      return { call, code };
    };
    const calls = [];
    for (const name of ["a x", "a x", "a x", "b x", "c x", "d y", "d y", "e z"]) {
      const [id = "", teamId = ""] = name.split(" ");
      calls.push({ name, ...(await use(id, teamId)) });
    }
    const refused = calls.filter(({ code }) => code === "rate_limited").map(({ name }) => name);
    // The sandbox has two, the team three, the host five.
    expect(refused).toEqual(["a x", "c x", "e z"]);
    expect(calls.filter(({ code }) => code === "taken")).toHaveLength(5);
    for (const { call } of calls) await call.return(undefined);
    expect((await use("a", "x")).code).toBe("taken");
  });
});
