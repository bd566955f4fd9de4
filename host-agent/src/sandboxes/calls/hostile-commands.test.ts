import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { CommandEvent } from "../../guest/command-stream.ts";
import { frame, head, START } from "../../guest/testing/frames.ts";
import { runCommand, streamCommand } from "./commands.ts";
import {
  COMMAND,
  data,
  endlessly,
  failed,
  json,
  LIMIT_MS,
  STREAMS,
  sandboxOf,
  startGuest,
  streaming,
} from "./testing/hostile-guests.ts";

it.each(STREAMS)("a command whose guest answers with %s fails at once", async (_, trick) => {
  const guest = await startGuest(trick);
  expect(["agent_error", "guest_unreachable", "invalid_request"]).toContain(
    await failed(runCommand(sandboxOf(guest), COMMAND, undefined)),
  );
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
  const command = client.commands.run(COMMAND);
  expect(await command.next()).toMatchObject({ value: { type: "started", pid: 7 } });
  await failed(client.commands.limit(7, 100));
  expect(await failed(command.next())).toBe("guest_unreachable");
});

it("a command whose reader is slow is not given up: its end may wait behind what the reader has yet to take", async () => {
  const end = json({ event: { end: { exitCode: 3, exited: true, status: "exit status 3" } } });
  // More than fits into the buffers on the way.
  const output = Array.from({ length: 256 }, () => data({ stdout: Buffer.alloc(64 * 1024).toString("base64") }));
  const guest = await startGuest(streaming(START, ...output, end));
  const command = guest.client(LIMIT_MS, 600_000).commands.run({ ...COMMAND, timeoutMs: 100 });
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
  for await (const event of guest.client(600_000).commands.run(COMMAND)) events.push(event);
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
