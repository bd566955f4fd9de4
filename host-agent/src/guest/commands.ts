import { setTimeout as delay } from "node:timers/promises";
import { type Client, Code, ConnectError, createClient, createContextValues } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import { Process, type ProcessEvent_StartEvent, type ProcessInfo } from "@warren/contracts/gen/process/process_pb";
import { LIMITS } from "@warren/contracts/limits";
import { SIGNALS } from "@warren/contracts/signals";
import { type CommandEvent, type CommandStart, CommandStreams } from "./command-stream.ts";
import { guestError, refused, unreachable } from "./errors.ts";
import { HOLD, type Hold } from "./held.ts";
import { hostLoad } from "./host-load.ts";
import { GuestInput } from "./input.ts";
import type { GuestLimits } from "./limits.ts";
import { LIST_BOUNDS, type ListedCommand, listedCommand, tagText } from "./listed-command.ts";
import type { LivenessSigns } from "./liveness.ts";
import type { GuestRequests } from "./requests.ts";
import { guestTransport } from "./transport.ts";

/** A command for a sandbox. */
export interface GuestCommand {
  cmd: string;
  args: string[];
  env: Record<string, string>;
  /** Working directory; undefined = home of the user. */
  cwd?: string | undefined;
  /** User of the image; undefined = the sandbox's default user. */
  user?: string | undefined;
  /** Milliseconds until the command is ended; 0 = no limit. */
  timeoutMs: number;
  /** Keep standard input open; false = /dev/null. */
  stdin: boolean;
  /** Size of the terminal to run in; output then arrives as stdout. */
  terminal?: { cols: number; rows: number } | undefined;
  /** It lives on without readers: its newest output and its end are kept for those that come later. */
  background?: boolean | undefined;
  /** Name that no other command has which lives; undefined or empty = none. */
  tag?: string | undefined;
}

/** A command that was started before, by process id or tag. */
export type CommandTarget = { pid: number } | { tag: string };

/** Milliseconds between two looks at whether the list of commands has changed. */
const WATCH_GAP_MS = 250;

/** Commands of one guest. */
export class GuestCommands {
  readonly #requests: GuestRequests;
  readonly #limits: GuestLimits;
  readonly #client: Client<typeof Process>;
  readonly #lists: Client<typeof Process>;
  readonly #streams: CommandStreams;
  /** The guest agent has shown that it keeps output. One agent serves a microVM from its start to its end. */
  #keepsOutput = false;

  constructor(requests: GuestRequests, limits: GuestLimits, signs: LivenessSigns) {
    this.#requests = requests;
    this.#limits = limits;
    this.#client = createClient(Process, guestTransport(requests));
    const bounds = { maxJson: LIST_BOUNDS.bytes, maxItems: LIST_BOUNDS.items };
    this.#lists = createClient(Process, guestTransport(requests, bounds));
    this.#streams = new CommandStreams(limits, signs);
  }

  /** Runs a command and yields its events. Aborting `signal` ends the stream, not the command: see {@link end}. */
  async *run(command: GuestCommand, signal?: AbortSignal): AsyncGenerator<CommandEvent> {
    const { user, timeoutMs, terminal, background, tag } = command;
    // An agent that does not know these would start the command, and do without.
    if ((background || tag) && !this.#keepsOutput) await this.#list(signal);
    const request = {
      process: {
        cmd: command.cmd,
        args: command.args,
        envs: command.env,
        ...(command.cwd ? { cwd: command.cwd } : {}),
      },
      ...(terminal ? { pty: { size: terminal } } : {}),
      stdin: command.stdin,
      timeLimitMs: timeoutMs,
      ...(background ? { keepOutputBytes: LIMITS.keptOutputBytes } : {}),
      ...(tag ? { tag, exclusiveTag: true } : {}),
    };
    const headers = {
      ...(user ? { authorization: `Basic ${Buffer.from(`${user}:`).toString("base64")}` } : {}),
      // Guest agents of sandboxes that were paused long ago know no other limit.
      ...(timeoutMs > 0 ? { "connect-timeout-ms": String(timeoutMs) } : {}),
    };
    const stream = this.#streams.follow(
      {
        open: (over) => this.#client.start(request, { signal: over, headers }),
        started: ({ pid }) => ({
          type: "started",
          pid,
          offset: 0n,
          tag: tag ?? "",
          terminal: terminal !== undefined,
        }),
        limit: { timeoutMs, since: performance.now() },
      },
      signal,
    );
    try {
      yield* stream;
    } catch (error) {
      if (tag && saysCode(error, Code.AlreadyExists))
        throw new WarrenError("already_exists", `another command of the sandbox has the tag ${tag}`);
      throw guestError(error);
    }
  }

  /**
   * Joins a command. `from` is the number of bytes of its output, stdout and stderr together, that the reader has or does
   * without: what is kept from there on comes first. Undefined = with what comes from now on.
   */
  async *attach(target: CommandTarget, from: bigint | undefined, signal?: AbortSignal): AsyncGenerator<CommandEvent> {
    const request = { process: selector(target), ...(from === undefined ? {} : { from }) };
    const stream = this.#streams.follow(
      { open: (over) => this.#client.connect(request, { signal: over }), started: joined },
      signal,
    );
    try {
      yield* stream;
    } catch (error) {
      throw commandError(error, target);
    }
  }

  /**
   * Those that live, and those of the background whose ends are kept; in the order in which they were started. Of many, the oldest
   * are left out: `only` is there in any case, if there is such a one, perhaps among others.
   */
  async list(signal: AbortSignal, hold?: Hold, only?: CommandTarget): Promise<ListedCommand[]> {
    const listed = (await this.#list(signal, hold, only)).map(listedCommand);
    if (new Set(listed.map(({ pid }) => pid)).size < listed.length) throw refused("a process id is in its list twice");
    return listed;
  }

  /**
   * Yields once, and then whenever commands have started or ended: the list is another. However often the guest says so, it is at
   * most four times a second. Throws `invalid_state` when the agent knows no such call.
   */
  async *watch(signal: AbortSignal): AsyncGenerator<void> {
    try {
      for await (const _ of this.#client.watch({}, { signal })) {
        yield;
        // What the guest sends meanwhile waits in its connection.
        await delay(WATCH_GAP_MS, undefined, { signal });
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (saysCode(error, Code.Unimplemented)) throw tooOld();
      throw guestError(error);
    }
    throw unreachable(new Error("the guest agent tells of commands no more"));
  }

  /** Writes to the standard input of a process, or to its terminal; resolves when the guest has taken all of it. */
  async sendInput(pid: number, data: Uint8Array, terminal = false): Promise<void> {
    const input = { input: { case: terminal ? ("pty" as const) : ("stdin" as const), value: data } };
    await this.#call((options) => this.#client.sendInput({ process: selector({ pid }), input }, options), 0);
  }

  /**
   * Opens the standard input of a process, or its terminal, for a stream of pieces. Undefined = this guest agent, of a
   * sandbox that was paused long ago, knows {@link sendInput} alone, or the process takes no input.
   */
  async openInput(pid: number, signal: AbortSignal): Promise<GuestInput | undefined> {
    const headers = {
      "content-type": "application/octet-stream",
      "transfer-encoding": "chunked",
      expect: "100-continue",
    };
    const { request, answer } = this.#requests.open({ method: "POST", path: `/input?pid=${pid}`, headers, signal });
    const opened = await GuestInput.open(request, answer);
    return typeof opened === "number" ? undefined : opened;
  }

  async closeStdin(pid: number): Promise<void> {
    await this.#call((options) => this.#client.closeStdin({ process: selector({ pid }) }, options));
  }

  /**
   * Sends a signal to a command. With `killAfterMs` it is an order to end, for all its processes: those that live on for so
   * long are killed. Throws `process_not_found` when there is no such command, or it has ended.
   */
  async signal(target: CommandTarget, number: number, killAfterMs = 0): Promise<void> {
    try {
      await this.#call((options) =>
        this.#client.sendSignal({ process: selector(target), signal: number, killAfterMs }, options),
      );
    } catch (error) {
      throw commandError(error, target);
    }
  }

  /** Ends all processes of a command: by SIGTERM, and those that live on after `graceMs` by SIGKILL. It may have ended. */
  async end(pid: number, graceMs: number): Promise<void> {
    await this.signal({ pid }, SIGNALS.SIGTERM, graceMs).catch(unlessEnded);
  }

  /** Gives a running command a new time limit, counted from here; 0 = none. */
  async limit(pid: number, timeLimitMs: number): Promise<void> {
    this.#streams.setTimeLimit(pid, timeLimitMs);
    await this.#call((options) => this.#client.update({ process: selector({ pid }), timeLimitMs }, options));
  }

  async resize(pid: number, size: { cols: number; rows: number }): Promise<void> {
    await this.#call((options) => this.#client.update({ process: selector({ pid }), pty: { size } }, options));
  }

  /** Throws `invalid_state` when the agent knows nothing of kept output. */
  async #list(signal?: AbortSignal, hold?: Hold, only?: CommandTarget): Promise<ProcessInfo[]> {
    const { processes, keepsOutput } = await this.#call((options) =>
      this.#lists.list(
        { ended: true, maxBytes: LIST_BOUNDS.bytes, ...(only && { process: selector(only) }) },
        {
          ...options,
          ...(signal ? { signal } : {}),
          ...(hold ? { contextValues: createContextValues().set(HOLD, hold) } : {}),
        },
      ),
    );
    if (!keepsOutput) throw tooOld();
    this.#keepsOutput = true;
    return processes;
  }

  async #call<T>(call: (options: { timeoutMs?: number }) => Promise<T>, limitMs = this.#limits.unaryMs): Promise<T> {
    try {
      return await call(limitMs > 0 ? { timeoutMs: limitMs * hostLoad() } : {});
    } catch (error) {
      if (error instanceof ConnectError && error.code === Code.DeadlineExceeded) throw unreachable(error);
      throw guestError(error);
    }
  }
}

/** For calls about a command that may have ended meanwhile. */
export function unlessEnded(error: unknown): void {
  if (!(error instanceof WarrenError && error.code === "process_not_found")) throw error;
}

function selector(target: CommandTarget) {
  return "pid" in target
    ? { selector: { case: "pid" as const, value: target.pid } }
    : { selector: { case: "tag" as const, value: target.tag } };
}

/** The start of a stream that joins a command. */
function joined({ pid, outputOffset, tag, terminal }: ProcessEvent_StartEvent): CommandStart {
  if (outputOffset === undefined) throw tooOld();
  if (outputOffset > Number.MAX_SAFE_INTEGER) throw refused("no command writes so much");
  return { type: "started", pid, offset: outputOffset, tag: tagText(tag), terminal };
}

function saysCode(error: unknown, code: Code): boolean {
  return error instanceof ConnectError && error.code === code;
}

function commandError(error: unknown, target: CommandTarget): WarrenError {
  const said = error instanceof WarrenError ? error.cause : error;
  if (!saysCode(said, Code.NotFound)) return guestError(error);
  const name = "pid" in target ? `with process id ${target.pid}` : `with tag ${target.tag}`;
  return new WarrenError("process_not_found", `the sandbox has no command ${name}, or it has ended`);
}

/** The guest agent is one of before commands could live on without readers; it lives as long as the microVM. */
function tooOld(): WarrenError {
  return new WarrenError(
    "invalid_state",
    "this sandbox, or the template that it was made of, was begun by an earlier version of Warren, and what runs in it since " +
      "then knows no commands in the background, no tags and no list of commands; new sandboxes of a built-in template do",
  );
}
