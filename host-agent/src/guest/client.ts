import { randomUUID } from "node:crypto";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import { Process, type Signal as ProcessSignal } from "@warren/contracts/gen/process/process_pb";
import { SIGNALS } from "@warren/contracts/signals";
import { CommandDeadline } from "./command-deadline.ts";
import { GuestConnections } from "./connections.ts";
import { guestError, unreachable } from "./errors.ts";
import { EventBounds } from "./event-bounds.ts";
import { type CommandExit, commandExit, exitBySignal } from "./exit.ts";
import { FileTransfers, type TransferLimits } from "./file-transfers.ts";
import { GuestFilesystem } from "./filesystem.ts";
import { hostLoad } from "./host-load.ts";
import { GuestInput } from "./input.ts";
import {
  LEAST_UNANSWERED,
  type LivenessLimits,
  livenessLimits,
  SILENCE_MS,
  whileAlive,
  withLiveness,
} from "./liveness.ts";
import { errorMessage, MAX_JSON, parseJson } from "./messages.ts";
import { GuestRequests } from "./requests.ts";
import { guestTransport } from "./transport.ts";

/** Limit until a command has started: on an overloaded host the first instructions of a program may take long. */
const START_LIMIT_MS = 300_000;
/** Limit of the init of a guest that was just started: on an overloaded host its first instructions may take long. */
const INIT_LIMIT_MS = 60_000;
/** Limit of the time in which the body of a file hardly moves although the guest is waited for. */
const BODY_LIMIT_MS = 120_000;
/** Limit until a command has ended whose time was up: the guest asks it to end first, and waits for that. */
const END_LIMIT_MS = 60_000;

/** Bytes of JSON of one list of files: a full one with paths that are all as long as they can be. */
const MAX_LIST_JSON = 1024 * 1024;

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
}

/** What a command says while it runs. The first event is `started`, the last `ended`. */
export type CommandEvent =
  | { type: "started"; pid: number }
  | { type: "stdout" | "stderr"; data: Uint8Array }
  | ({ type: "ended" } & CommandExit);

/** Identity that a microVM gets when it starts or wakes up (POST /init). */
export interface GuestIdentity {
  sandboxId: string;
  templateId: string;
  /** New access token. */
  token: string;
  /** Variables of all processes; undefined = those that the guest has. */
  env: Record<string, string> | undefined;
  hostname: string;
  defaultUser: string;
  /** Random bytes from the host for the guest's generator. */
  entropy: Uint8Array;
}

/** What the guest agent confirmed of an identity. */
export interface InitConfirmation {
  /** Guest clock minus host clock after the step, in milliseconds: at most MAX_CLOCK_OFFSET_MS either way. */
  clockOffsetMs: number;
  entropyBytes: number;
  hostname: string;
  sandboxId: string;
}

/** How long a guest agent is waited for. Limits in milliseconds are those of an idle host and grow with its load. */
export interface GuestLimits extends LivenessLimits, TransferLimits {
  /** For one question whether it lives. */
  healthMs: number;
  /** Until a command has started. */
  startMs: number;
  /** Until a command has ended whose own limit has passed. */
  endMs: number;
  /** Milliseconds of processor time that the microVM has used, where that is known. */
  processorMs: () => number | undefined;
}

/** Milliseconds by which the clock of a guest may be off when it has been set. */
const MAX_CLOCK_OFFSET_MS = 50;

/** Milliseconds that a guest has to say what it uses. */
const METRICS_LIMIT_MS = 2000;

/** Limits of guests that may be silent for `silenceMs` while they do nothing: the same for all that waits for no process. */
export function silenceLimits(silenceMs: number) {
  return { ...livenessLimits(silenceMs), healthMs: silenceMs / LEAST_UNANSWERED, unaryMs: silenceMs };
}

const DEFAULT_LIMITS: GuestLimits = {
  ...silenceLimits(SILENCE_MS),
  startMs: START_LIMIT_MS,
  bodyMs: BODY_LIMIT_MS,
  endMs: END_LIMIT_MS,
  processorMs: () => undefined,
};

/** Calls the agent of one microVM. Every failure is an error of the catalogue. */
export class GuestClient {
  /** Looks at the vCPUs of the guest while it is silent, see LivenessSigns; whoever has them says how. */
  hasHung: () => Promise<boolean> = async () => false;
  readonly #connections = new GuestConnections();
  readonly #requests: GuestRequests;
  readonly #process: Client<typeof Process>;
  /** Its files and directories. */
  readonly filesystem: GuestFilesystem;
  /** Their content. */
  readonly files: FileTransfers;
  readonly #limits: GuestLimits;
  /** Sets the time limit of each running command anew, by process id. */
  readonly #timeLimits = new Map<number, (timeoutMs: number) => void>();

  /** `token` is the access token that the guest agent knows, empty before its first init. */
  constructor(host: string, port: number, token: string, limits: Partial<GuestLimits> = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#requests = new GuestRequests(host, port, token, this.#connections);
    this.#process = createClient(Process, guestTransport(this.#requests));
    this.filesystem = new GuestFilesystem(guestTransport(this.#requests, MAX_LIST_JSON));
    this.files = new FileTransfers(this.#requests, this.#limits);
  }

  /** Resolves when the guest agent answers, rejects with `guest_unreachable` otherwise. */
  async health(limitMs = this.#limits.healthMs): Promise<void> {
    const { status } = await this.#requests.ask(
      // Not longer on a busy host: it is asked again and again there.
      { method: "GET", path: "/health", signal: AbortSignal.timeout(limitMs) },
      MAX_JSON,
    );
    if (status !== 204) throw unreachable(new Error(`/health answered ${status}`));
  }

  /**
   * Gives the microVM its identity, time and random state. Throws unless the guest agent confirms each of them; from
   * then on the client uses the new token. One that answers nothing while its vCPUs rest is given up before the limit.
   * Aborting `signal` ends the wait, as in `freeze` and `unfreeze`.
   */
  async init(identity: GuestIdentity, limitMs = INIT_LIMIT_MS, signal?: AbortSignal): Promise<InitConfirmation> {
    const body = JSON.stringify({
      timestamp: new Date().toISOString(),
      accessToken: identity.token,
      envVars: identity.env,
      defaultUser: identity.defaultUser,
      hostname: identity.hostname,
      sandboxId: identity.sandboxId,
      templateId: identity.templateId,
      // Each init follows a start, a restore or a hand-over: connections from before it lead nowhere, and a process whose
      // output nobody takes would stand still.
      lifecycleID: randomUUID(),
      entropy: Buffer.from(identity.entropy).toString("base64"),
    });
    const headers = { "content-type": "application/json", accept: "application/json" };
    const dead = new AbortController();
    const over = AbortSignal.any([AbortSignal.timeout(limitMs * hostLoad()), dead.signal, ...(signal ? [signal] : [])]);
    const answer = await whileAlive(
      this.#requests.ask({ method: "POST", path: "/init", headers, signal: over }, MAX_JSON, body),
      // Its vCPUs are not looked at: whoever gives an identity is at an operation that the look would wait for.
      { probe: () => this.health(), processorMs: this.#limits.processorMs, hasHung: async () => false },
      this.#limits,
      (reason) => dead.abort(reason),
    );
    if (answer.status !== 200) {
      throw new WarrenError("agent_error", `the guest agent refused its identity: ${errorMessage(answer.body)}`);
    }
    const confirmation = (parseJson(answer.body) ?? {}) as InitConfirmation;
    if (
      confirmation.sandboxId !== identity.sandboxId ||
      confirmation.hostname !== identity.hostname ||
      confirmation.entropyBytes !== identity.entropy.length ||
      !isOnTime(confirmation.clockOffsetMs)
    ) {
      throw new WarrenError("agent_error", "the guest agent did not confirm its new identity and clock");
    }
    this.#requests.token = identity.token;
    return confirmation;
  }

  /** Bytes of memory that are in use in the guest, as its agent says. Asked once, and no sign of life is made of it. */
  async memoryInUse(): Promise<number | undefined> {
    const signal = AbortSignal.timeout(METRICS_LIMIT_MS);
    const { status, body } = await this.#requests.ask({ method: "GET", path: "/metrics", signal }, MAX_JSON);
    if (status !== 200) return undefined;
    const { mem_used: used } = (parseJson(body) ?? {}) as { mem_used?: unknown };
    return Number.isSafeInteger(used) && (used as number) >= 0 ? (used as number) : undefined;
  }

  /** Puts all processes of the guest but its agent to sleep, until `unfreeze` or `init`. */
  freeze(signal?: AbortSignal): Promise<void> {
    return this.#post("/freeze", signal);
  }

  /** Wakes them up; does nothing when they are awake. */
  unfreeze(signal?: AbortSignal): Promise<void> {
    return this.#post("/unfreeze", signal);
  }

  /** Runs a command and yields its events. Aborting `signal` ends the stream, not the command: see {@link end}. */
  async *run(command: GuestCommand, signal?: AbortSignal): AsyncGenerator<CommandEvent> {
    const abort = new AbortController();
    const stop = () => abort.abort(signal?.reason);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    const askedAt = performance.now();
    const stream = this.#process.start(
      {
        process: {
          cmd: command.cmd,
          args: command.args,
          envs: command.env,
          ...(command.cwd ? { cwd: command.cwd } : {}),
        },
        ...(command.terminal ? { pty: { size: command.terminal } } : {}),
        stdin: command.stdin,
        timeLimitMs: command.timeoutMs,
      },
      {
        signal: abort.signal,
        headers: {
          ...(command.user ? { authorization: `Basic ${Buffer.from(`${command.user}:`).toString("base64")}` } : {}),
          // Guest agents of sandboxes that were paused long ago know no other limit.
          ...(command.timeoutMs > 0 ? { "connect-timeout-ms": String(command.timeoutMs) } : {}),
        },
      },
    );
    let started = false;
    const bounds = new EventBounds();
    const late = setTimeout(
      () => abort.abort(new Error("the command did not start")),
      this.#limits.startMs * hostLoad(),
    );
    let overdue: WarrenError | undefined;
    const deadline = new CommandDeadline(this.#limits.endMs, () => {
      overdue = unreachable(new Error("the command was not ended when its time was up"));
      abort.abort(overdue);
    });
    const setTimeLimit = (timeoutMs: number) => deadline.set(timeoutMs);
    let pid = 0;
    try {
      const live = withLiveness(
        stream,
        { probe: () => this.health(), processorMs: this.#limits.processorMs, hasHung: () => this.hasHung() },
        this.#limits,
        (reason) => abort.abort(reason),
      );
      for await (const { event } of live) {
        bounds.check(event);
        switch (event?.event.case) {
          case "start":
            started = true;
            clearTimeout(late);
            pid = event.event.value.pid;
            deadline.set(command.timeoutMs, askedAt);
            this.#timeLimits.set(pid, setTimeLimit);
            yield { type: "started", pid };
            break;
          case "data": {
            const { output } = event.event.value;
            deadline.suspend();
            if (output.case === "stderr") yield { type: "stderr", data: output.value };
            else if (output.case) yield { type: "stdout", data: output.value };
            deadline.resume();
            break;
          }
          case "end":
            yield { type: "ended", ...commandExit(event.event.value, deadline.mayHavePassed) };
            return;
        }
      }
      throw unreachable(new Error("the stream ended before the command did"));
    } catch (error) {
      if (overdue) throw overdue;
      const saysLate = error instanceof ConnectError && error.code === Code.DeadlineExceeded;
      if (started && saysLate && deadline.mayHavePassed) {
        yield { type: "ended", ...exitBySignal(SIGNALS.SIGKILL, true) };
        return;
      }
      throw guestError(error);
    } finally {
      clearTimeout(late);
      deadline.clear();
      if (this.#timeLimits.get(pid) === setTimeLimit) this.#timeLimits.delete(pid);
      signal?.removeEventListener("abort", stop);
      abort.abort();
    }
  }

  /** Writes to the standard input of a process, or to its terminal; resolves when the guest has taken all of it. */
  async sendInput(pid: number, data: Uint8Array, terminal = false): Promise<void> {
    await this.#call(
      (options) =>
        this.#process.sendInput(
          {
            process: { selector: { case: "pid", value: pid } },
            input: { input: { case: terminal ? "pty" : "stdin", value: data } },
          },
          options,
        ),
      0,
    );
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
    await this.#call((options) =>
      this.#process.closeStdin({ process: { selector: { case: "pid", value: pid } } }, options),
    );
  }

  /** Sends a signal to a command; one that has ended already is not an error. */
  async signal(pid: number, number: number): Promise<void> {
    await this.#signal(pid, number, 0);
  }

  /** Ends all processes of a command: by SIGTERM, and those that live on after `graceMs` by SIGKILL. */
  async end(pid: number, graceMs: number): Promise<void> {
    await this.#signal(pid, SIGNALS.SIGTERM, graceMs);
  }

  async #signal(pid: number, signal: ProcessSignal, killAfterMs: number): Promise<void> {
    try {
      await this.#call((options) =>
        this.#process.sendSignal({ process: { selector: { case: "pid", value: pid } }, signal, killAfterMs }, options),
      );
    } catch (error) {
      const { cause } = error as WarrenError;
      if (cause instanceof ConnectError && cause.code === Code.NotFound) return;
      throw error;
    }
  }

  /** Gives a running command a new time limit, counted from here; 0 = none. */
  async limit(pid: number, timeLimitMs: number): Promise<void> {
    this.#timeLimits.get(pid)?.(timeLimitMs);
    await this.#call((options) =>
      this.#process.update({ process: { selector: { case: "pid", value: pid } }, timeLimitMs }, options),
    );
  }

  async resize(pid: number, size: { cols: number; rows: number }): Promise<void> {
    await this.#call((options) =>
      this.#process.update({ process: { selector: { case: "pid", value: pid } }, pty: { size } }, options),
    );
  }

  /** Ends all calls with `guest_unreachable`, those under way and those to come: the microVM has ended or is let go. */
  close(): void {
    this.#connections.close();
  }

  async #post(path: string, signal?: AbortSignal): Promise<void> {
    const limit = AbortSignal.timeout(this.#limits.unaryMs * hostLoad());
    const over = signal ? AbortSignal.any([limit, signal]) : limit;
    const { status, body } = await this.#requests.ask({ method: "POST", path, signal: over }, MAX_JSON);
    if (status < 300) return;
    throw new WarrenError("agent_error", `the guest agent answered ${status} to ${path}: ${errorMessage(body)}`);
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

/** Whether the clock of a guest is off by little; what a guest says may be anything. */
function isOnTime(offsetMs: unknown): boolean {
  return typeof offsetMs === "number" && Math.abs(offsetMs) <= MAX_CLOCK_OFFSET_MS;
}
