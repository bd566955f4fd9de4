import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import {
  type Command,
  ExecEndedSchema,
  ExecStartedSchema,
  type ExecStreamRequest,
  type ExecStreamResponse,
  type ProcessSelector,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { PROCESS_TAG, PROCESS_TAG_WORDS } from "@warren/contracts/identifiers";
import { SIGNALS } from "@warren/contracts/signals";
import type { CommandTarget, GuestCommand } from "../guest/commands.ts";
import { attachCommand, type CommandInput, type StreamEvent, streamCommand } from "../sandboxes/calls/commands.ts";
import type { SandboxService } from "../sandboxes/service.ts";

/** The call that runs a command, or joins one, and passes on what it says. */
export async function* execStream(
  sandboxes: Pick<SandboxService, "awake">,
  requests: AsyncIterable<ExecStreamRequest>,
  context: HandlerContext,
): AsyncGenerator<{ message: ExecStreamResponse["message"] }> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  const gone = new AbortController();
  const signal = AbortSignal.any([context.signal, gone.signal]);
  const input = commandInput({ [Symbol.asyncIterator]: () => iterator }, gone);
  for await (const event of await begin(sandboxes, first.done ? undefined : first.value.message, input, signal)) {
    yield { message: commandMessage(event) };
  }
}

/** What the first message of a stream asks for. */
async function begin(
  sandboxes: Pick<SandboxService, "awake">,
  first: ExecStreamRequest["message"] | undefined,
  input: AsyncIterable<CommandInput>,
  signal: AbortSignal,
): Promise<AsyncGenerator<StreamEvent>> {
  if (first?.case === "start") {
    const command = guestCommand(first.value.command, first.value);
    return streamCommand(await sandboxes.awake(first.value.sandboxId), command, input, signal);
  }
  if (first?.case === "attach") {
    const target = commandTarget(first.value.process);
    return attachCommand(await sandboxes.awake(first.value.sandboxId), target, first.value.from, input, signal);
  }
  throw new WarrenError("invalid_request", "the first message of a stream must be start or attach");
}

/** The messages after the first. A caller whose stream breaks off is gone. */
async function* commandInput(
  requests: AsyncIterable<ExecStreamRequest>,
  gone: AbortController,
): AsyncGenerator<CommandInput> {
  try {
    for await (const { message } of requests) {
      if (message.case === "stdin") yield { type: "stdin", data: message.value };
      else if (message.case === "closeStdin") yield { type: "close_stdin" };
      else if (message.case === "resize") yield { type: "resize", cols: message.value.cols, rows: message.value.rows };
      else if (message.case === "timeLimit") yield { type: "time_limit", timeoutMs: message.value.timeoutMs };
      else if (message.case === "signal") {
        yield { type: "signal", number: signalNumber(message.value.number) };
      } else throw new WarrenError("invalid_request", "only the first message of a stream may be start or attach");
    }
  } catch (error) {
    gone.abort(error);
    throw error;
  }
}

function commandMessage(event: StreamEvent): ExecStreamResponse["message"] {
  switch (event.type) {
    case "started":
      return { case: "started", value: create(ExecStartedSchema, { ...event, outputOffset: event.offset }) };
    case "stdout":
    case "stderr":
      return { case: event.type, value: event.data as Uint8Array<ArrayBuffer> };
    case "stdin_taken":
      return { case: "stdinTaken", value: event.bytes };
    case "ended":
      return { case: "ended", value: create(ExecEndedSchema, event) };
  }
}

/** How a command is to be run. */
interface CommandMode {
  stdin: boolean;
  terminal?: { cols: number; rows: number } | undefined;
  background?: boolean;
  tag: string;
}

export function guestCommand(command: Command | undefined, mode: CommandMode): GuestCommand {
  if (!command?.cmd) throw new WarrenError("invalid_request", "cmd is missing");
  return {
    cmd: command.cmd,
    args: command.args,
    env: command.env,
    cwd: command.cwd || undefined,
    user: command.user || undefined,
    timeoutMs: command.timeoutMs,
    stdin: mode.stdin,
    ...(mode.terminal ? { terminal: { cols: mode.terminal.cols, rows: mode.terminal.rows } } : {}),
    ...(mode.background ? { background: true } : {}),
    ...(mode.tag ? { tag: requireTag(mode.tag) } : {}),
  };
}

/** Throws `invalid_request` when it selects nothing. */
export function commandTarget(process: ProcessSelector | undefined): CommandTarget {
  const { selector } = process ?? {};
  if (selector?.case === "pid") return { pid: selector.value };
  if (selector?.case === "tag") return { tag: requireTag(selector.value) };
  throw new WarrenError("invalid_request", "process is missing: its process id or its tag");
}

function requireTag(tag: string): string {
  if (PROCESS_TAG.test(tag)) return tag;
  throw new WarrenError("invalid_request", `tag must have ${PROCESS_TAG_WORDS}`);
}

const SIGNAL_NUMBERS = new Set<number>(Object.values(SIGNALS));

/** Throws `invalid_request` when there is no such signal. */
export function signalNumber(number: number): number {
  if (SIGNAL_NUMBERS.has(number)) return number;
  throw new WarrenError("invalid_request", `there is no signal ${number}`);
}
