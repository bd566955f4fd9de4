import { describe, expect, it } from "vitest";
import type { CommandEvent } from "../../guest/command-stream.ts";
import type { Trick } from "../../guest/testing/fake-guest.ts";
import { frame, head, START } from "../../guest/testing/frames.ts";
import { CALL_LIMITS, CallBounds } from "../capacity/call-bounds.ts";
import { attachCommand, listCommands, signalCommand, startCommand, streamCommand } from "./commands.ts";
import {
  COMMAND,
  data,
  endlessly,
  failed,
  json,
  MIB,
  sandboxOf,
  startGuest,
  streaming,
} from "./testing/hostile-guests.ts";

const NEVER = new AbortController().signal;
const SIGTERM = 15;
const PROCESS = { config: { cmd: "sleep", args: ["1000"] }, pid: 7, user: "user", startedAtUnixMs: "1700000000000" };
const END = json({ event: { end: { exitCode: 3, exited: true, status: "exit status 3" } } });
const startAt = (outputOffset: unknown, more: object = {}) =>
  json({ event: { start: { pid: 7, outputOffset, ...more } } });

/** Answers a call by its name, and notes which have come. */
function answering(answers: Record<string, Trick>, calls: string[] = []): Trick {
  return (socket, request) => {
    const name = /\/process\.Process\/(\w+) /.exec(request)?.[1] ?? "";
    calls.push(name);
    const answer = answers[name];
    if (answer) return answer(socket, request);
    socket.end(`${head("application/json")}{}`);
  };
}
const listing =
  (answer: object | string): Trick =>
  (socket) => {
    const body = typeof answer === "string" ? answer : JSON.stringify(answer);
    socket.end(`${head("application/json")}${body}`);
  };
const KEEPS = listing({ processes: [], keepsOutput: true });

const attached = async (trick: Trick, from?: bigint) => {
  const guest = await startGuest(trick);
  const events: CommandEvent[] = [];
  for await (const event of attachCommand(sandboxOf(guest), { pid: 7 }, from)) events.push(event as CommandEvent);
  return events;
};
const listed = async (answer: object | string) =>
  listCommands(sandboxOf(await startGuest(answering({ List: listing(answer) }))), NEVER);

describe("a guest agent of before commands could live on without readers", () => {
  it("is asked to start none in the background, and none with a tag of its own", async () => {
    const calls: string[] = [];
    const guest = await startGuest(answering({ List: listing({ processes: [PROCESS] }) }, calls));
    const sandbox = sandboxOf(guest);
    expect(await failed(startCommand(sandbox, COMMAND))).toBe("invalid_state");
    const tagged = streamCommand(sandbox, { ...COMMAND, tag: "one" });
    expect(await failed(tagged.next())).toBe("invalid_state");
    expect(await failed(listCommands(sandbox, NEVER))).toBe("invalid_state");
    expect(calls).toEqual(["List", "List", "List"]);
  });

  it("is not joined, since it does not say where its output begins, and no command of it is ended", async () => {
    const calls: string[] = [];
    const trick = answering({ Connect: streaming(START, data({ stdout: "QQ==" })) }, calls);
    expect(await failed(attached(trick, 0n))).toBe("invalid_state");
    expect(calls).not.toContain("SendSignal");
  });
});

describe("a command in the background", () => {
  const start = answering.bind(undefined, { List: KEEPS, Start: streaming(START, data({ stdout: "QQ==" })) });

  it("is not ended when whoever started it leaves, and any other is", async () => {
    for (const background of [true, false]) {
      const calls: string[] = [];
      const command = streamCommand(sandboxOf(await startGuest(start(calls))), { ...COMMAND, background });
      for (const type of ["started", "stdout"]) expect(await command.next()).toMatchObject({ value: { type } });
      await command.return(undefined);
      expect(calls).toEqual(background ? ["List", "Start"] : ["Start", "SendSignal"]);
    }
  });

  it("runs when its start is answered, and the guest agent is asked once what it knows", async () => {
    const calls: string[] = [];
    const sandbox = sandboxOf(await startGuest(start(calls)));
    expect([await startCommand(sandbox, COMMAND), await startCommand(sandbox, COMMAND)]).toEqual([7, 7]);
    expect(calls).toEqual(["List", "Start", "Start"]);
  });

  it("whose tag is another's is refused", async () => {
    const refusal = frame('{"error":{"code":"already_exists","message":"\\u001b[2J"}}', { flags: 2 });
    const sandbox = sandboxOf(await startGuest(answering({ List: KEEPS, Start: streaming(refusal) })));
    expect(await failed(startCommand(sandbox, { ...COMMAND, tag: "one" }))).toBe("already_exists");
    // Said of one without a tag, it says nothing.
    expect(await failed(startCommand(sandbox, COMMAND))).toBe("agent_error");
  });
});

describe("a command that is joined", () => {
  it("begins where the guest says, with what it says of it in bounds", async () => {
    const tag = `\u001b[2J${"x".repeat(1000)}`;
    const parts = [startAt("18", { tag, terminal: true }), data({ pty: "QQ==" }), END];
    const [started, ...others] = await attached(streaming(...parts), 5n);
    expect(started).toMatchObject({ type: "started", pid: 7, offset: 18n, terminal: true });
    expect((started as { tag: string }).tag).toMatch(/^\\u001b\[2Jx{55}$/);
    expect(others).toMatchObject([{ type: "stdout" }, { type: "ended", exitCode: 3 }]);
  });

  it("may be said to be behind what was asked for: the sandbox may have gone back to its last pause", async () => {
    expect(await attached(streaming(startAt(4), END), 1000n)).toMatchObject([{ offset: 4n }, { exitCode: 3 }]);
  });

  it.each([
    ["a place in its output beyond all numbers", streaming(startAt("18446744073709551615"))],
    ["a place beyond 64 bits", streaming(startAt("18446744073709551616"))],
    ["a negative place", streaming(startAt(-1))],
    ["a place that is no number", streaming(startAt({}))],
    ["two starts", streaming(startAt(0), startAt(1))],
    ["output before the start", streaming(data({ stdout: "QQ==" }), startAt(0))],
    ["signs of life without end", endlessly(json({ event: { keepalive: {} } }), startAt(0))],
    ["empty output without end", endlessly(data({ stdout: "" }), startAt(0))],
    [
      "an end that is none",
      streaming(startAt(0), json({ event: { end: { exited: true, exitCode: 256, status: "" } } })),
    ],
    ["the end of the stream alone", streaming(startAt(0), frame("{}", { flags: 2 }))],
    ["an error that commands do not end with", streaming(frame('{"error":{"code":"already_exists"}}', { flags: 2 }))],
  ])("is given up when the guest says %s", async (_, trick) => {
    expect(["agent_error", "guest_unreachable"]).toContain(await failed(attached(trick, 0n)));
  });

  it("that does not come to its start is given up", async () => {
    const guest = await startGuest(streaming());
    const client = guest.client(300);
    expect(await failed(client.commands.attach({ pid: 7 }, 0n).next())).toBe("guest_unreachable");
  });

  it("that is not there is told from a guest that fails", async () => {
    const missing = frame('{"error":{"code":"not_found","message":"x"}}', { flags: 2 });
    expect(await failed(attached(streaming(missing)))).toBe("process_not_found");
  });
});

describe("signals", () => {
  it.each([
    ["not_found", "process_not_found"],
    ["already_exists", "agent_error"],
    ["permission_denied", "agent_error"],
  ])("that a guest refuses with %s fail with %s", async (code, expected) => {
    const refuse: Trick = (socket) => {
      socket.end(`${head("application/json", "404 Not Found")}${JSON.stringify({ code, message: "x" })}`);
    };
    const sandbox = sandboxOf(await startGuest(answering({ SendSignal: refuse })));
    expect(await failed(signalCommand(sandbox, { tag: "one" }, SIGTERM, 0))).toBe(expected);
  });
});

describe("a list of commands", () => {
  it("is passed on in bounds", async () => {
    const lie = {
      ...PROCESS,
      config: { cmd: "c".repeat(10_000), args: Array(5000).fill(""), cwd: "/", envs: { A: "b" } },
      tag: `\u202e${"t".repeat(100)}`,
      user: `\u001b${"u".repeat(1000)}`,
      startedAtUnixMs: "-9223372036854775808",
      outputBytes: "5",
      outputFrom: "18446744073709551615",
      cpuMs: "18446744073709551615",
      memoryBytes: "18446744073709551615",
      end: { exited: true, status: "" },
      endedAtUnixMs: "9223372036854775807",
    };
    const [command] = await listed({ processes: [lie], keepsOutput: true });
    expect(command).toMatchObject({
      pid: 7,
      cmd: "c".repeat(4096),
      cwd: "",
      startedAt: 0,
      outputBytes: 5,
      outputFrom: 5,
    });
    expect(command).toMatchObject({ cpuMs: Number.MAX_SAFE_INTEGER, memoryBytes: Number.MAX_SAFE_INTEGER });
    expect(command?.args).toHaveLength(1024);
    expect(command?.tag).toMatch(/^\\u202et{58}$/);
    expect(command?.user).toMatch(/^\\u001bu{58}$/);
    expect(new Date(command?.endedAt ?? 0).toISOString()).toBe("9999-12-31T23:59:59.999Z");
  });

  it("has as many as a guest agent lists", async () => {
    const processes = Array.from({ length: 1024 }, (_, at) => ({ ...PROCESS, pid: at + 1 }));
    expect((await listed({ processes, keepsOutput: true })).at(-1)).toMatchObject({ pid: 1024, cmd: "sleep" });
  });

  it.each<[string, object | string]>([
    ["more than a guest agent lists", { processes: Array(1025).fill({ pid: 1 }), keepsOutput: true }],
    ["a list of many bytes", `{"processes":[],"keepsOutput":true,"x":"${"x".repeat(MIB)}"}`],
    ["a list that is none", { processes: {}, keepsOutput: true }],
    ["a command that is none", { processes: [[]], keepsOutput: true }],
    ["a process id that is none", { processes: [{ pid: -1 }], keepsOutput: true }],
    ["negative output", { processes: [{ ...PROCESS, outputBytes: "-1" }], keepsOutput: true }],
    ["output beyond 64 bits", { processes: [{ ...PROCESS, outputBytes: "18446744073709551616" }], keepsOutput: true }],
    ["an end that is none", { processes: [{ ...PROCESS, end: { exited: true, exitCode: 999 } }], keepsOutput: true }],
    ["a process id twice", { processes: [PROCESS, { ...PROCESS, tag: "other" }], keepsOutput: true }],
    ["no JSON", "<html>"],
  ])("is given up when it has %s", async (_, answer) => {
    expect(await failed(listed(answer))).toBe("agent_error");
  });

  it("is counted as what is held for its team while it comes", async () => {
    const bounds = new CallBounds({ ...CALL_LIMITS, outputPerTeam: 1000 });
    const long = listing({ processes: [], keepsOutput: true, x: "x".repeat(2000) });
    const guest = await startGuest(answering({ List: long }));
    expect(await failed(listCommands(sandboxOf(guest, {}, bounds), NEVER))).toBe("rate_limited");
    bounds.hold({ id: "sb", teamId: "team" }).add(1000);
  });
});
