import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import type { HandlerContext } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import type {
  Command,
  ExecRequest,
  ExecStart,
  ExecStreamRequest,
  ProcessSelector,
  SignalProcessRequest,
  StartProcessRequest,
  TerminalSize,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import { answering, rpcError, streaming } from "./double-errors.ts";
import type { DoubleGuest } from "./double-guest.ts";
import { DoubleProcess, type Ended, ProcessReader, type Running } from "./double-processes.ts";

/** Exit status of a shell for a command that does not exist. */
const NOT_FOUND = 127;

/** Calls about commands, on processes of this machine. */
export function commandHandlers(guestOf: (sandboxId: string) => DoubleGuest, programs: () => string | undefined) {
  return {
    exec: answering(async (request: ExecRequest, context: HandlerContext) => {
      const guest = guestOf(request.sandboxId);
      guest.requireRunning();
      const { command, tag } = request;
      const process = begin(guest, { command, stdin: true, background: false, tag }, context);
      process.running.child.stdin!.end(request.stdin ?? "");
      const limit = Math.min(request.maxOutputBytes || LIMITS.execOutputBytes, LIMITS.execOutputBytes);
      const output = { stdout: new Collected(limit), stderr: new Collected(limit) };
      for await (const part of new ProcessReader(process, 0)) {
        if (part.case !== "stdinTaken") output[part.case].add(part.value);
      }
      return {
        ...process.end,
        stdout: output.stdout.bytes(),
        stderr: output.stderr.bytes(),
        stdoutTruncated: output.stdout.truncated,
        stderrTruncated: output.stderr.truncated,
      };
    }),

    execStream: streaming(async function* (requests: AsyncIterable<ExecStreamRequest>, context: HandlerContext) {
      const input = requests[Symbol.asyncIterator]();
      const { message: first } = ((await input.next()).value ?? { message: {} }) as ExecStreamRequest;
      if (first?.case !== "start" && first?.case !== "attach") {
        throw rpcError("invalid_request", "the first message must be start or attach");
      }
      const guest = guestOf(first.value.sandboxId);
      guest.requireRunning();
      const process =
        first.case === "attach" ? processOf(guest, first.value.process) : begin(guest, first.value, context);
      const from = first.case === "start" ? 0 : first.value.from === undefined ? undefined : Number(first.value.from);
      const reader = new ProcessReader(process, from);
      // What it is given after it has ended is for nobody.
      const feeding = feed(guest, process.running, input, (bytes) => reader.push({ case: "stdinTaken", value: bytes }));
      const endsWithThis = first.case === "start" && process.endsWithClient;
      // Who joined a command leaves it by the end of their input.
      feeding.then(
        () => endsWithThis || reader.finish(),
        () => endsWithThis && process.running.child.kill("SIGKILL"),
      );
      try {
        const { pid, tag, terminal } = process;
        yield {
          message: { case: "started" as const, value: { pid, tag, terminal, outputOffset: BigInt(reader.offset) } },
        };
        for await (const part of reader) {
          if (part.case !== "stdinTaken") guest.streamed.output += part.value.length;
          yield { message: part };
        }
        if (process.end && !reader.isFinished) yield { message: { case: "ended" as const, value: process.end } };
      } finally {
        reader.leave();
        if (endsWithThis) process.running.child.kill("SIGKILL");
      }
    }),

    startProcess: answering(async (request: StartProcessRequest) => {
      const guest = guestOf(request.sandboxId);
      guest.requireRunning();
      const { pid } = begin(guest, { ...request, background: true });
      return { pid };
    }),

    listProcesses: answering(async ({ sandboxId }: { sandboxId: string }) => {
      const guest = guestOf(sandboxId);
      guest.requireRunning();
      return { processes: guest.commands.map((process) => process.info()) };
    }),

    watchProcesses: streaming(async function* ({ sandboxId }: { sandboxId: string }, { signal }: HandlerContext) {
      const guest = guestOf(sandboxId);
      guest.requireRunning();
      let told = Promise.withResolvers<void>();
      const tell = () => told.resolve();
      guest.commandWatchers.add(tell);
      signal.addEventListener("abort", tell, { once: true });
      try {
        while (!signal.aborted) {
          if (guest.status !== "running") throw new WarrenError("invalid_state", `the sandbox is ${guest.status}`);
          told = Promise.withResolvers<void>();
          yield {};
          await told.promise;
        }
      } finally {
        guest.commandWatchers.delete(tell);
      }
    }),

    signalProcess: answering(async ({ sandboxId, process, signal, killAfterMs }: SignalProcessRequest) => {
      const guest = guestOf(sandboxId);
      guest.requireRunning();
      const { running, end } = processOf(guest, process);
      if (end) throw new WarrenError("process_not_found", "the command has ended");
      running.child.kill(signalName(signal));
      if (killAfterMs > 0) setTimeout(() => running.child.kill("SIGKILL"), killAfterMs).unref();
      return {};
    }),
  };

  function begin(guest: DoubleGuest, asked: ProcessToStart, context?: HandlerContext): DoubleProcess {
    const { command, stdin, terminal, background, tag } = asked;
    if (tag !== "" && guest.commands.some((other) => other.tag === tag && !other.end)) {
      throw new WarrenError("already_exists", `another command has the tag ${tag}`);
    }
    const running = start(guest, command!, programs(), background ? NEVER : context!.signal);
    running.child.stdin!.on("error", () => undefined);
    if (!stdin) running.child.stdin!.end();
    const about = { tag, command: command!, terminal: terminal !== undefined, background, user: "user" };
    const process = new DoubleProcess(running, about, running.child.pid === undefined ? missing(command!) : undefined);
    guest.commands.push(process);
    guest.tellCommandWatchers();
    void process.over.then(() => {
      if (!background) guest.commands.splice(guest.commands.indexOf(process), 1);
      guest.tellCommandWatchers();
    });
    return process;
  }
}

/** A command that is to be started so that others can find it. */
type ProcessToStart = Pick<ExecStart, "command" | "stdin" | "background" | "tag"> & {
  terminal?: TerminalSize | undefined;
};

/** The signal of a caller that does not leave. */
const NEVER = new AbortController().signal;

/** The command that is meant: one that lives before those that have ended. */
function processOf(guest: DoubleGuest, named: ProcessSelector | undefined): DoubleProcess {
  const { selector } = named!;
  const found = guest.commands.filter((process) => selector.case && process[selector.case] === selector.value);
  const process = found.find(({ end }) => !end) ?? found.at(-1);
  if (!process) throw new WarrenError("process_not_found", `there is no command ${selector.value}`);
  return process;
}

function missing(command: Command): Buffer<ArrayBuffer> {
  return Buffer.from(`${command.cmd}: command not found\n`);
}

function start(guest: DoubleGuest, command: Command, programs: string | undefined, signal: AbortSignal): Running {
  guest.requireRunning();
  guest.timeLimit = command.timeoutMs;
  const child = spawn(command.cmd, command.args, {
    cwd: command.cwd === "" ? guest.directory : guest.path(command.cwd),
    env: { ...guest.env, ...command.env, ...(programs !== undefined && { PATH: programs }) },
    stdio: "pipe",
  });
  guest.processes.add(child);
  // What it has written may wait for its reader for longer.
  child.once("exit", () => guest.processes.delete(child));
  const kill = () => child.kill("SIGTERM");
  signal.addEventListener("abort", kill);
  let timedOut = false;
  let timer: NodeJS.Timeout | undefined;
  const limit = (timeoutMs: number) => {
    clearTimeout(timer);
    // Timers of Node have at most 31 bits of milliseconds.
    timer = timeoutMs > 0 && timeoutMs < 2 ** 31 ? setTimeout(() => (timedOut = kill()), timeoutMs) : undefined;
  };
  limit(command.timeoutMs);
  const ended = new Promise<Ended>((resolve) => {
    child.once("error", () => resolve({ exitCode: NOT_FOUND, signal: "", timedOut: false }));
    child.once("close", (code, name) => {
      resolve({ exitCode: code ?? 128 + (constants.signals[name!] ?? 0), signal: name ?? "", timedOut });
    });
  }).finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
    guest.processes.delete(child);
  });
  return { child, ended, limit };
}

/** Output up to a limit. */
class Collected {
  truncated = false;
  readonly #limit: number;
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(chunk: Uint8Array): void {
    const kept = chunk.subarray(0, this.#limit - this.#size);
    this.truncated ||= kept.length < chunk.length;
    this.#size += kept.length;
    this.#chunks.push(kept);
  }

  bytes(): Buffer<ArrayBuffer> {
    return Buffer.concat(this.#chunks);
  }
}

/** Passes input on as fast as the process takes it. Signals and the like overtake what it has yet to take. */
async function feed(
  guest: DoubleGuest,
  { child, limit }: Running,
  input: AsyncIterator<ExecStreamRequest>,
  onTaken: (bytes: number) => void,
): Promise<void> {
  let held = 0;
  let passing = Promise.resolve();
  for (let next = await input.next(); !next.done; next = await input.next()) {
    const { message } = next.value;
    if (message.case === "stdin") {
      const { value } = message;
      held += value.length;
      passing = passing.then(async () => {
        if (!child.stdin!.write(value)) await once(child.stdin!, "drain");
        held -= value.length;
        guest.streamed.input += value.length;
        onTaken(value.length);
      });
      passing.catch(() => undefined);
      if (held > LIMITS.stdinAheadBytes) await passing;
    } else if (message.case === "closeStdin") void passing.then(() => child.stdin!.end());
    else if (message.case === "timeLimit") limit(message.value.timeoutMs);
    else if (message.case === "signal") child.kill(signalName(message.value.number));
  }
  await passing.catch(() => undefined);
}

function signalName(number: number): NodeJS.Signals {
  const entry = Object.entries(constants.signals).find(([, value]) => value === number);
  return (entry?.[0] ?? "SIGTERM") as NodeJS.Signals;
}
