import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { PassThrough, type Readable } from "node:stream";
import type { HandlerContext } from "@connectrpc/connect";
import type { Command, ExecRequest, ExecStreamRequest } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { LIMITS } from "@warren/contracts/limits";
import { answering, rpcError, streaming } from "./double-errors.ts";
import type { DoubleGuest } from "./double-guest.ts";

/** Exit status of a shell for a command that does not exist. */
const NOT_FOUND = 127;

type Ended = { exitCode: number; signal: string; timedOut: boolean };

/** A running process, or the reason why there is none. */
interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** Sets a new time limit in milliseconds; 0 = none. */
  limit(timeoutMs: number): void;
}

/** Exec and ExecStream on processes of this machine. */
export function commandHandlers(guestOf: (sandboxId: string) => DoubleGuest, programs: () => string | undefined) {
  return {
    exec: answering(async (request: ExecRequest, context: HandlerContext) => {
      const { child, ended } = start(guestOf(request.sandboxId), request.command!, programs(), context.signal);
      const limit = Math.min(request.maxOutputBytes || LIMITS.execOutputBytes, LIMITS.execOutputBytes);
      const [stdout, stderr] = [collect(child.stdout!, limit), collect(child.stderr!, limit)];
      child.stdin!.on("error", () => undefined).end(request.stdin ?? "");
      const end = await ended;
      const [out, err] = [await stdout, await stderr];
      return {
        ...end,
        stdout: out.bytes,
        stderr: end.exitCode === NOT_FOUND && err.bytes.length === 0 ? missing(request.command!) : err.bytes,
        stdoutTruncated: out.truncated,
        stderrTruncated: err.truncated,
      };
    }),

    execStream: streaming(async function* (requests: AsyncIterable<ExecStreamRequest>, context: HandlerContext) {
      const input = requests[Symbol.asyncIterator]();
      const first = (await input.next()).value as ExecStreamRequest | undefined;
      if (first?.message.case !== "start") throw rpcError("invalid_request", "the first message must be start");
      const { sandboxId, command, stdin } = first.message.value;
      const guest = guestOf(sandboxId);
      const running = start(guest, command!, programs(), context.signal);
      const { child, ended } = running;
      if (!stdin) child.stdin!.end();
      child.stdin!.on("error", () => undefined);
      const taken = new PassThrough({ objectMode: true });
      void feed(guest, running, input, (bytes) => taken.write(bytes)).catch(() => child.kill("SIGKILL"));
      try {
        yield { message: { case: "started" as const, value: { pid: child.pid ?? 0 } } };
        for await (const part of merge(child.stdout!, child.stderr!, taken)) {
          if (part.message.case !== "stdinTaken") guest.streamed.output += part.message.value.length;
          yield part;
        }
        const end = await ended;
        if (end.exitCode === NOT_FOUND && child.pid === undefined) {
          yield { message: { case: "stderr" as const, value: missing(command!) } };
        }
        yield { message: { case: "ended" as const, value: end } };
      } finally {
        child.kill("SIGKILL");
      }
    }),
  };
}

function missing(command: Command): Buffer {
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

async function collect(stream: Readable, limit: number): Promise<{ bytes: Buffer; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  let truncated = false;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    truncated ||= size + chunk.length > limit;
    const kept = chunk.subarray(0, Math.max(0, limit - size));
    size += kept.length;
    if (kept.length > 0) chunks.push(kept);
  }
  return { bytes: Buffer.concat(chunks), truncated };
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
}

function signalName(number: number): NodeJS.Signals {
  const entry = Object.entries(constants.signals).find(([, value]) => value === number);
  return (entry?.[0] ?? "SIGTERM") as NodeJS.Signals;
}

/** Output of both streams, and what is taken of the input, as it comes, read only as fast as it is taken. */
async function* merge(stdout: Readable, stderr: Readable, taken: Readable) {
  type Message = { case: "stdout" | "stderr"; value: Uint8Array<ArrayBuffer> } | { case: "stdinTaken"; value: number };
  type Name = Message["case"];
  type Part = { name: Name; result: IteratorResult<unknown> };
  const sources = new Map<Name, AsyncIterator<unknown>>([
    ["stdout", stdout[Symbol.asyncIterator]()],
    ["stderr", stderr[Symbol.asyncIterator]()],
    ["stdinTaken", taken[Symbol.asyncIterator]()],
  ]);
  const pending = new Map<Name, Promise<Part>>();
  while (sources.has("stdout") || sources.has("stderr")) {
    for (const [name, source] of sources) {
      if (!pending.has(name))
        pending.set(
          name,
          source.next().then((result) => ({ name, result })),
        );
    }
    const { name, result } = await Promise.race(pending.values());
    pending.delete(name);
    if (result.done) sources.delete(name);
    else yield { message: { case: name, value: result.value } as Message };
  }
}
