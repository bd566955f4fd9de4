import type { MessageInitShape } from "@bufbuild/protobuf";
import { WarrenError } from "@warren/contracts/errors";
import type {
  ExecEnded,
  ExecResponse,
  ExecStreamRequestSchema,
  ExecStreamResponse,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import type {
  ExecAttachFrame,
  ExecRequest,
  ExecResult,
  ExecStartFrame,
  OutOfMemory,
} from "@warren/contracts/rest/commands";
import { turns } from "@warren/server/fair-turns";
import type { SandboxEvents } from "../audit/sandbox-events.ts";
import type { Caller } from "../callers/caller.ts";
import type { SandboxAccess } from "../sandboxes/sandbox-access.ts";
import { decodeBase64 } from "./base64.ts";
import { guestCommand } from "./guest-command.ts";
import { encodeOutput } from "./output-encoding.ts";
import { selectorOf } from "./process-selector.ts";
import { SignalRecord } from "./signal-record.ts";

/** A message to a running command. */
export type CommandInput = MessageInitShape<typeof ExecStreamRequestSchema>;

/**
 * Runs commands in sandboxes. How long a guest is waited for is the host's to say, who knows what the guest does and how busy
 * the host is; whether the host lives shows in the pings of the connection to it. A limit here would come before its answer.
 */
export class CommandService {
  readonly #access: SandboxAccess;
  readonly #audit: SandboxEvents;

  constructor(access: SandboxAccess, audit: SandboxEvents) {
    this.#access = access;
    this.#audit = audit;
  }

  /** Runs a command to its end; aborting `signal` ends it. */
  async exec(caller: Caller, sandboxId: string, request: ExecRequest, signal: AbortSignal): Promise<ExecResult> {
    const command = guestCommand(request);
    const stdin = decodeStdin(request);
    const started = performance.now();
    const response = await this.#access.use(caller, sandboxId, async ({ agent }) => {
      const recorded = this.#audit.commandStarted(caller, sandboxId, request);
      const call = {
        sandboxId,
        command,
        ...(stdin && { stdin }),
        maxOutputBytes: LIMITS.execOutputBytes,
        tag: request.tag ?? "",
      };
      return await agent.exec(call, { signal }).finally(() => recorded);
    });
    return toResult(sandboxId, request.cmd, response, Math.round(performance.now() - started));
  }

  /**
   * Runs a command, or joins one, whose input follows and whose output is passed on as it comes; `input` begins after the
   * start. Output is taken from the host only as fast as `consume` resolves. Aborting `signal` ends a command that was started
   * here and not in the background, and leaves any other.
   */
  async stream(
    caller: Caller,
    sandboxId: string,
    first: ExecStartFrame | ExecAttachFrame,
    input: AsyncIterable<CommandInput>,
    consume: (response: ExecStreamResponse) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#access.use(caller, sandboxId, async ({ agent }) => {
      let recorded = first.type === "start" ? this.#audit.commandStarted(caller, sandboxId, first) : undefined;
      const signals = new SignalRecord((pid, signalled) =>
        this.#audit.processSignalled(caller, sandboxId, { process: String(pid), ...signalled }),
      );
      const messages = prepend(firstInput(sandboxId, first), noting(signals, input));
      try {
        for await (const response of agent.execStream(messages, { signal })) {
          if (response.message.case === "started") {
            const { pid, tag } = response.message.value;
            signals.begin(pid);
            if (first.type === "attach") recorded = this.#audit.processJoined(caller, sandboxId, named(pid, tag));
          }
          await recorded;
          await consume(response);
          // A guest may have more to say than can be passed on.
          const turn = turns.next(sandboxId);
          if (turn) await turn;
        }
      } finally {
        await signals.end();
      }
    });
  }
}

/** Passes input on, and notes the signals in it. */
async function* noting(signals: SignalRecord, input: AsyncIterable<CommandInput>): AsyncIterable<CommandInput> {
  for await (const each of input) {
    if (each.message?.case === "signal") signals.add(each.message.value.number ?? 0);
    yield each;
  }
}

/** A command as events name it. */
function named(pid: number, tag: string): { process: string; tag?: string } {
  return { process: String(pid), ...(tag !== "" && { tag }) };
}

function firstInput(sandboxId: string, first: ExecStartFrame | ExecAttachFrame): CommandInput {
  if (first.type === "attach") {
    const from = first.from === undefined ? {} : { from: BigInt(first.from) };
    return { message: { case: "attach", value: { sandboxId, process: selectorOf(first.process), ...from } } };
  }
  const { stdin = false, terminal, background = false, tag = "" } = first;
  const value = { sandboxId, command: guestCommand(first), stdin, background, tag, ...(terminal && { terminal }) };
  return { message: { case: "start", value } };
}

function decodeStdin({ stdin, stdin_encoding }: ExecRequest): Uint8Array | undefined {
  if (stdin === undefined) return undefined;
  const bytes = stdin_encoding === "base64" ? decodeBase64(stdin, "body/stdin") : Buffer.from(stdin);
  if (bytes.length > LIMITS.execStdinBytes) {
    throw new WarrenError(
      "too_large",
      `body/stdin has ${bytes.length} bytes, and may have ${LIMITS.execStdinBytes}; stream it, or upload a file`,
    );
  }
  return bytes;
}

function toResult(sandboxId: string, cmd: string, response: ExecResponse, durationMs: number): ExecResult {
  const { encoding, stdout, stderr } = encodeOutput({
    stdout: { bytes: response.stdout, truncated: response.stdoutTruncated },
    stderr: { bytes: response.stderr, truncated: response.stderrTruncated },
  });
  return {
    sandbox_id: sandboxId,
    cmd,
    stdout,
    stderr,
    exit_code: response.exitCode,
    ...(response.signal !== "" && { signal: response.signal }),
    timed_out: response.timedOut,
    ...outOfMemory(response),
    stdout_truncated: response.stdoutTruncated,
    stderr_truncated: response.stderrTruncated,
    duration_ms: durationMs,
    encoding,
  };
}

/** The field of an answer that says which process was killed because memory ran out. */
export function outOfMemory({ outOfMemory: victim }: ExecResponse | ExecEnded): { out_of_memory?: OutOfMemory } {
  return victim ? { out_of_memory: { process: victim.process, pid: victim.pid } } : {};
}

async function* prepend<T>(first: T, rest: AsyncIterable<T>): AsyncIterable<T> {
  yield first;
  yield* rest;
}
