import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Shell, type ShellState, type Wanted } from "./shell.ts";

/** A connection of the browser, of which the test is the server. */
class Socket {
  static readonly OPEN = 1;
  static all: Socket[] = [];
  static get last(): Socket {
    return Socket.all.at(-1)!;
  }

  readyState = 0;
  /** Texts and bytes of input that were sent, in their order. */
  frames: Record<string, unknown>[] = [];
  input = "";
  onopen = () => {};
  onmessage = (_: { data: unknown }) => {};
  onclose = () => {};

  constructor() {
    Socket.all.push(this);
  }

  send(data: string | Uint8Array): void {
    if (this.readyState !== Socket.OPEN) throw new Error("it is not open");
    if (typeof data === "string") this.frames.push(JSON.parse(data));
    else this.input += new TextDecoder().decode(data.subarray(1));
  }

  close(): void {
    this.readyState = 3;
  }

  open(): this {
    this.readyState = Socket.OPEN;
    this.onopen();
    return this;
  }

  say(frame: object): this {
    this.onmessage({ data: JSON.stringify(frame) });
    return this;
  }

  print(text: string): this {
    this.onmessage({ data: Uint8Array.from([1, ...new TextEncoder().encode(text)]).buffer });
    return this;
  }

  break(): void {
    this.readyState = 3;
    this.onclose();
  }
}

const SIZE = { cols: 80, rows: 24 };
const shells: Shell[] = [];

/** A shell, and all that it has told. */
function shellOf(wanted: Wanted) {
  const told = {
    output: "",
    states: [] as string[],
    gaps: [] as number[],
    unsure: 0,
    found: [] as unknown[],
    words: "",
  };
  const shell = new Shell(new URL("ws://127.0.0.1/"), wanted, SIZE, {
    onOutput: (bytes) => {
      told.output += new TextDecoder().decode(bytes);
    },
    onGap: (bytes) => told.gaps.push(bytes),
    onUnsure: () => {
      told.unsure += 1;
    },
    onOpen: (found) => told.found.push(found),
    onState: (state: ShellState) => {
      told.states.push(state.is);
      if (state.is === "ended") told.words = state.words;
    },
  });
  shells.push(shell);
  return { shell, told };
}

const opened = { type: "start", pid: 95, tag: "terminal-1", offset: 0, terminal: true };

/** Lets the time pass in which a connection is made again. */
async function again(): Promise<Socket> {
  const before = Socket.all.length;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(Socket.all.length).toBe(before + 1);
  return Socket.last.open();
}

beforeEach(() => {
  vi.useFakeTimers();
  Socket.all = [];
  vi.stubGlobal("WebSocket", Socket);
});
afterEach(() => {
  for (const shell of shells.splice(0)) shell.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("starts in the background, and keeps what is typed before it is there", () => {
  const { shell, told } = shellOf({ number: 1, shared: true });
  shell.write("ls");
  Socket.last.open();
  shell.write(" -l\n");
  expect(Socket.last.frames).toEqual([
    expect.objectContaining({ type: "start", tag: "terminal-1", background: true, stdin: true, terminal: SIZE }),
  ]);
  expect(Socket.last.input).toBe("");
  Socket.last.say(opened);
  shell.write("pwd\n");
  expect(Socket.last.input).toBe("ls -l\npwd\n");
  expect(told).toMatchObject({ states: ["open"], found: [{ pid: 95, tag: "terminal-1", isBound: false }] });
});

it("joins one that runs from the beginning of what is kept, and says what is not", () => {
  const { told } = shellOf({ pid: 95 });
  Socket.last.open();
  expect(Socket.last.frames).toEqual([expect.objectContaining({ type: "attach", process: "95", from: 0 })]);
  Socket.last.say({ ...opened, offset: 700, dropped: 700 }).print("$ ");
  expect(told).toMatchObject({ gaps: [700], output: "$ " });
});

it("goes on where the output was when the connection breaks, and sends what was typed meanwhile", async () => {
  const { shell, told } = shellOf({ pid: 95 });
  Socket.last
    .open()
    .say({ ...opened, offset: 100, dropped: 100 })
    .print("grüße")
    .break();
  shell.write("date\n");
  const next = await again();
  expect(next.frames).toEqual([expect.objectContaining({ type: "attach", process: "95", from: 107 })]);
  next.say({ ...opened, offset: 107 }).print("!");
  expect(next.input).toBe("date\n");
  expect(told).toMatchObject({ output: "grüße!", gaps: [100], states: ["open", "reconnecting", "open"], unsure: 0 });
});

it("sends nothing twice, and says so when something was under way", async () => {
  const { shell, told } = shellOf({ pid: 95 });
  Socket.last.open().say(opened);
  shell.write("first\n");
  Socket.last.say({ type: "stdin_taken", bytes: 6 });
  shell.write("second\n");
  Socket.last.break();
  expect(told.unsure).toBe(1);
  (await again()).say(opened);
  expect(Socket.last.input).toBe("");
});

it("tries less and less often, and at once when asked to", async () => {
  const { shell } = shellOf({ pid: 95 });
  for (let round = 0; round < 12; round++) {
    Socket.last.break();
    await vi.advanceTimersByTimeAsync(20_000);
  }
  expect(Socket.all.length).toBe(13);
  Socket.last.break();
  await vi.advanceTimersByTimeAsync(5000);
  expect(Socket.all.length).toBe(13);
  shell.retry();
  shell.retry();
  expect(Socket.all.length).toBe(14);
});

it("stands still with its capsule: nothing is tried or typed, and it goes on where it was", async () => {
  const { shell, told } = shellOf({ pid: 95 });
  Socket.last.open().say(opened).print("$ ");
  Socket.last.say({ type: "error", code: "invalid_state", data: "the sandbox was paused" });
  shell.setCapsuleRuns(false);
  shell.write("lost");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Socket.all.length).toBe(1);
  shell.setCapsuleRuns(true);
  Socket.last.open();
  expect(Socket.last.frames).toEqual([expect.objectContaining({ type: "attach", process: "95", from: 2 })]);
  Socket.last.say({ ...opened, offset: 2 }).print("on");
  expect(Socket.last.input).toBe("");
  expect(told.output).toBe("$ on");
  expect(told.states).toEqual(["open", "reconnecting", "standing", "reconnecting", "open"]);
});

it("lets go of a connection that its capsule has left behind", () => {
  const { shell, told } = shellOf({ pid: 95 });
  const first = Socket.last.open().say(opened);
  shell.setCapsuleRuns(false);
  expect(first.readyState).toBe(3);
  first.print("late");
  first.break();
  expect(told).toMatchObject({ output: "", states: ["open", "standing"] });
});

it("has ended when it exits, also while no connection was there", async () => {
  const { shell, told } = shellOf({ pid: 95 });
  Socket.last.open().say(opened).break();
  (await again()).say(opened).print("bye").say({ type: "exit", exit_code: 3 }).break();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Socket.all.length).toBe(2);
  expect(told).toMatchObject({ output: "bye", words: "The shell has ended with status 3" });
  shell.setCapsuleRuns(false);
  shell.setCapsuleRuns(true);
  expect(told.states.at(-1)).toBe("ended");
});

it("is over when it is not there any more, as after a capsule went back to an earlier state", async () => {
  const { told } = shellOf({ pid: 95, what: "sleep" });
  Socket.last.open().say({ type: "error", code: "process_not_found", data: "no such process" });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Socket.all.length).toBe(1);
  expect(told.words).toBe("sleep is not there any more");
});

it("a new one takes the next number when another browser was faster", () => {
  const { told } = shellOf({ number: 2, shared: false });
  for (const number of [2, 3]) {
    Socket.last.open();
    expect(Socket.last.frames).toEqual([expect.objectContaining({ type: "start", tag: `terminal-${number}` })]);
    Socket.last.say({ type: "error", code: "already_exists", data: "it is taken" });
  }
  Socket.last.open().say({ ...opened, pid: 99, tag: "terminal-4" });
  expect(told.found).toEqual([{ pid: 99, tag: "terminal-4", isBound: false }]);
});

it("the first of a capsule is shared with whoever opens it at the same time", () => {
  shellOf({ number: 1, shared: true });
  Socket.last.open().say({ type: "error", code: "already_exists", data: "it is taken" });
  Socket.last.open();
  expect(Socket.last.frames).toEqual([expect.objectContaining({ type: "attach", process: "terminal-1", from: 0 })]);
  Socket.last.say({ type: "error", code: "process_not_found", data: "it has just ended" });
  Socket.last.open();
  expect(Socket.last.frames).toEqual([expect.objectContaining({ type: "start", tag: "terminal-1" })]);
});

it("a shell whose start was not answered is joined, not started twice", async () => {
  shellOf({ number: 2, shared: false });
  Socket.last.open().break();
  (await again()).say({ type: "error", code: "already_exists", data: "it is taken" });
  Socket.last.open();
  expect(Socket.last.frames).toEqual([expect.objectContaining({ type: "attach", process: "terminal-2" })]);
});

it("ends with its connection in a capsule of an earlier version, and with a pause of that", () => {
  const { told } = shellOf({ number: 1, shared: true });
  Socket.last.open().say({ type: "error", code: "invalid_state", data: "it knows no commands in the background" });
  Socket.last.open();
  expect(Socket.last.frames).toEqual([expect.objectContaining({ type: "start", background: false })]);
  expect(Socket.last.frames[0]).not.toHaveProperty("tag");
  Socket.last.say({ type: "start", pid: 95, offset: 0, terminal: true });
  expect(told.found).toEqual([{ pid: 95, tag: undefined, isBound: true }]);
  for (const shell of shells) shell.setCapsuleRuns(false);
  expect(told.words).toBe("The shell has ended with its connection");
  for (const shell of shells) shell.setCapsuleRuns(true);
  expect(Socket.all.length).toBe(2);
});

it("is tried again in the background when a capsule refuses both", async () => {
  shellOf({ number: 1, shared: true });
  for (let round = 0; round < 2; round++) {
    Socket.last.open().say({ type: "error", code: "invalid_state", data: "it is being paused" });
  }
  expect((await again()).frames).toEqual([expect.objectContaining({ type: "start", tag: "terminal-1" })]);
});
