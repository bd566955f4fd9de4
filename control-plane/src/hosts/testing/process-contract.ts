import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ExecStreamRequestSchema, ExecStreamResponse } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { newSandboxId } from "@warren/server/sandbox-id";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HostClient } from "../host-client.ts";
import { fromRpcError } from "../rpc-errors.ts";

type Agent = HostClient["agent"];
type StreamInput = MessageInitShape<typeof ExecStreamRequestSchema>;
type StreamMessage = ExecStreamResponse["message"];

const SIGHUP = 1;
const SIGTERM = 15;
/** A shell that says each line that it is told, until it is told to end. */
const ECHO = { cmd: "sh", args: ["-c", 'while read line; do [ "$line" = end ] && exit 4; echo "got $line"; done'] };

/** What the control plane relies on of commands that others than those who started them can find. */
export function describeProcesses(agent: () => Agent, create: () => Promise<{ sandboxId: string }>): void {
  describe("the commands of a sandbox", () => {
    let sandboxId: string;
    beforeAll(async () => {
      sandboxId = (await create()).sandboxId;
    });
    afterAll(async () => {
      if (sandboxId) await agent().destroySandbox({ sandboxId });
    });

    const list = async () => (await agent().listProcesses({ sandboxId })).processes;
    const find = async (pid: number) => (await list()).find((process) => process.pid === pid);
    const untilOver = (pid: number) =>
      expect.poll(async () => (await find(pid))?.ended !== undefined, { timeout: 60_000 }).toBe(true);
    const start = async (script: string, fields: { tag?: string } = {}) =>
      (await agent().startProcess({ sandboxId, command: { cmd: "sh", args: ["-c", script] }, ...fields })).pid;
    const byPid = (pid: number) => ({ selector: { case: "pid" as const, value: pid } });
    const byTag = (tag: string) => ({ selector: { case: "tag" as const, value: tag } });
    const attach = (process: ReturnType<typeof byPid | typeof byTag>, from?: bigint) =>
      new Joined(agent(), { case: "attach", value: { sandboxId, process, ...(from !== undefined && { from }) } });

    it("are listed with how they run and ended", async () => {
      const pid = await start("echo out; echo err >&2; exit 3", { tag: "listed" });
      await untilOver(pid);
      const ended = await find(pid);
      expect(ended).toMatchObject({ tag: "listed", cmd: "sh", background: true, terminal: false });
      expect(ended).toMatchObject({ args: ["-c", "echo out; echo err >&2; exit 3"], outputBytes: 8n, outputFrom: 0n });
      expect(ended?.ended).toMatchObject({ exitCode: 3, signal: "" });
      expect(ended?.user).not.toBe("");
      for (const at of [ended!.startedAtUnixMs, ended!.endedAtUnixMs]) {
        expect(Math.abs(Number(at) - Date.now())).toBeLessThan(600_000);
      }
    });

    it("take signals and orders to end while they live", async () => {
      const pid = await start("trap 'exit 5' HUP; echo ready; while :; do sleep 0.05; done");
      // A signal that comes before the trap ends the shell.
      await expect.poll(async () => (await find(pid))?.outputBytes, { timeout: 60_000 }).toBe(6n);
      await agent().signalProcess({ sandboxId, process: byPid(pid), signal: SIGHUP });
      await untilOver(pid);
      expect((await find(pid))?.ended?.exitCode).toBe(5);
      const other = await start("exec sleep 1000", { tag: "ended" });
      await agent().signalProcess({ sandboxId, process: byTag("ended"), signal: SIGTERM, killAfterMs: 5000 });
      await untilOver(other);
      expect((await find(other))?.ended?.signal).toBe("SIGTERM");
      const again = { sandboxId, process: byPid(other), signal: SIGTERM };
      expect(await codeOf(agent().signalProcess(again))).toBe("process_not_found");
      expect(await codeOf(agent().signalProcess({ ...again, process: byTag("none") }))).toBe("process_not_found");
    });

    it("have their tags for themselves while they live", async () => {
      const pid = await start("exec sleep 1000", { tag: "single" });
      expect(await codeOf(start("true", { tag: "single" }))).toBe("already_exists");
      const command = { cmd: "true" };
      expect(await codeOf(agent().exec({ sandboxId, command, tag: "single" }))).toBe("already_exists");
      await agent().signalProcess({ sandboxId, process: byPid(pid), signal: SIGTERM });
      await untilOver(pid);
      expect(await start("true", { tag: "single" })).not.toBe(pid);
    });

    it("can be joined by several at once, from where one wants to begin, and left", async () => {
      const owner = new Joined(agent(), {
        case: "start",
        value: { sandboxId, command: ECHO, stdin: true, background: true, tag: "joined" },
      });
      const { pid, outputOffset } = await owner.started();
      expect(outputOffset).toBe(0n);
      owner.type("one\n");
      await owner.until("got one\n");
      owner.leave();
      const [first, second] = [attach(byTag("joined"), 4n), attach(byPid(pid))];
      expect(await first.started()).toMatchObject({ pid, tag: "joined", outputOffset: 4n });
      expect(await second.started()).toMatchObject({ pid, tag: "joined", outputOffset: 8n });
      second.type("two\n");
      await first.until("one\ngot two\n");
      await second.until("got two\n");
      first.type("end\n");
      for (const joined of [first, second]) expect(await joined.ended()).toMatchObject({ exitCode: 4 });
      const late = attach(byPid(pid), 0n);
      expect(await late.ended()).toMatchObject({ exitCode: 4 });
      expect(late.output).toBe("got one\ngot two\n");
      expect(await codeOf(attach(byTag("none")).started())).toBe("process_not_found");
    });

    it("are given what was typed before the end of the input of one who joined, which ends the stream", async () => {
      const { pid } = await agent().startProcess({ sandboxId, command: ECHO, stdin: true });
      const leaving = attach(byPid(pid), 0n);
      await leaving.started();
      const lines = Array.from({ length: 500 }, (_, line) => `${line}\n`);
      for (const line of lines) leaving.type(line);
      leaving.finish();
      await leaving.over();
      const next = attach(byPid(pid), 0n);
      await next.started();
      next.type("last\n");
      await next.until([...lines, "last\n"].map((line) => `got ${line}`).join(""));
      next.type("end\n");
      expect(await next.ended()).toMatchObject({ exitCode: 4 });
    });

    it("are watched: one is told once, and again when some have started or ended, until the sandbox is paused", async () => {
      const own = (await create()).sandboxId;
      const watch = agent().watchProcesses({ sandboxId: own })[Symbol.asyncIterator]();
      await watch.next();
      const { pid } = await agent().startProcess({ sandboxId: own, command: { cmd: "sleep", args: ["1000"] } });
      const listed = async () => (await agent().listProcesses({ sandboxId: own, process: byPid(pid) })).processes;
      const found = async () => (await listed()).find((process) => process.pid === pid);
      do await watch.next();
      while (!(await found()));
      await agent().signalProcess({ sandboxId: own, process: byPid(pid), signal: SIGTERM });
      do await watch.next();
      while (!(await found())?.ended);
      await agent().pauseSandbox({ sandboxId: own });
      const untilOver = async () => {
        while (!(await watch.next()).done);
      };
      expect(await codeOf(untilOver())).toBe("invalid_state");
      await agent().destroySandbox({ sandboxId: own });
    });

    it("go on through a pause, which ends the streams to them", async () => {
      const own = (await create()).sandboxId;
      const call = { sandboxId: own, command: ECHO, stdin: true, tag: "paused" };
      const { pid } = await agent().startProcess(call);
      const process = byTag("paused");
      const before = new Joined(agent(), { case: "attach", value: { sandboxId: own, process, from: 0n } });
      await before.started();
      before.type("one\n");
      await before.until("got one\n");
      await agent().pauseSandbox({ sandboxId: own });
      expect(await codeOf(before.ended())).toBe("invalid_state");
      expect(await codeOf(agent().listProcesses({ sandboxId: own }))).toBe("invalid_state");
      await agent().resumeSandbox({ sandboxId: own });
      const after = new Joined(agent(), { case: "attach", value: { sandboxId: own, process, from: 0n } });
      expect(await after.started()).toMatchObject({ pid, outputOffset: 0n });
      after.type("two\n");
      await after.until("got one\ngot two\n");
      after.leave();
      await agent().destroySandbox({ sandboxId: own });
    });

    it("are found in sandboxes that there are", async () => {
      const none = { sandboxId: newSandboxId() };
      const calls = [
        agent().listProcesses(none),
        agent().startProcess({ ...none, command: { cmd: "true" } }),
        agent().signalProcess({ ...none, process: byPid(1), signal: SIGTERM }),
      ];
      expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => "not_found"));
    });
  });
}

/** A stream to a command. */
class Joined {
  output = "";
  readonly #messages: AsyncIterator<ExecStreamResponse>;
  readonly #leave = new AbortController();
  #input: StreamInput[] = [];
  #isFinished = false;
  #wake: () => void = () => undefined;

  constructor(agent: Agent, first: StreamInput["message"] & object) {
    this.#messages = agent.execStream(this.#feed(first), { signal: this.#leave.signal })[Symbol.asyncIterator]();
  }

  type(text: string): void {
    this.#input.push({ message: { case: "stdin", value: Buffer.from(text) } });
    this.#wake();
  }

  /** Has no more input. */
  finish(): void {
    this.#isFinished = true;
    this.#wake();
  }

  /** Reads on until the end of the stream. */
  async over(): Promise<void> {
    while (!(await this.#messages.next()).done);
  }

  leave(): void {
    this.#leave.abort();
  }

  started() {
    return this.#take("started");
  }

  /** Reads on until the output is this. */
  async until(output: string): Promise<void> {
    while (this.output !== output) await this.#next();
  }

  ended() {
    return this.#take("ended");
  }

  async #take<C extends StreamMessage["case"]>(wanted: C) {
    for (;;) {
      const message = await this.#next();
      if (message.case === wanted) return message.value as Extract<StreamMessage, { case: C }>["value"];
    }
  }

  async #next(): Promise<StreamMessage> {
    const { done, value } = await this.#messages.next();
    if (done) throw new Error(`the stream is over; its output was ${JSON.stringify(this.output)}`);
    if (value.message.case === "stdout") this.output += Buffer.from(value.message.value).toString();
    return value.message;
  }

  async *#feed(first: StreamInput["message"] & object): AsyncGenerator<StreamInput> {
    yield { message: first } as StreamInput;
    for (;;) {
      const next = this.#input.shift();
      if (next) yield next;
      else if (this.#isFinished) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** Code of the error of the catalogue that a call fails with. */
function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "no error",
    (error: unknown) => fromRpcError(error).code,
  );
}
