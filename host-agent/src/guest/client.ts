import { randomUUID } from "node:crypto";
import http, { type IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { WarrenError } from "@warren/contracts/errors";
import { Process, type Signal as ProcessSignal } from "@warren/contracts/gen/process/process_pb";
import { SIGNALS } from "@warren/contracts/signals";
import { GuestConnections } from "./connections.ts";
import { guestError, guestHttpError, unreachable } from "./errors.ts";
import { type CommandExit, commandExit, exitBySignal } from "./exit.ts";
import { withLiveness } from "./liveness.ts";

/** Limit of one question whether the guest agent lives. */
const HEALTH_LIMIT_MS = 5_000;
/** Limit of calls that the guest agent answers by itself, without waiting for a process. */
const UNARY_LIMIT_MS = 15_000;
/** Limit of the init of a guest that was just started: on an overloaded host its first instructions may take long. */
const INIT_LIMIT_MS = 60_000;

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
  /** Guest clock minus host clock after the step, in milliseconds. */
  clockOffsetMs: number;
  entropyBytes: number;
  hostname: string;
  sandboxId: string;
}

/** A file of the guest that is being read. */
export interface GuestFile {
  /** Bytes, unknown for files of /proc and the like. */
  size: number | undefined;
  content: IncomingMessage;
}

/** Calls the agent of one microVM. Every failure is an error of the catalogue. */
export class GuestClient {
  readonly #base: string;
  readonly #agent: GuestConnections;
  readonly #process: Client<typeof Process>;
  #token: string;

  /** `token` is the access token that the guest agent knows, empty before its first init. */
  constructor(host: string, port: number, token: string) {
    this.#base = `http://${host}:${port}`;
    this.#token = token;
    this.#agent = new GuestConnections();
    const transport = createConnectTransport({
      baseUrl: this.#base,
      httpVersion: "1.1",
      useBinaryFormat: false,
      nodeOptions: { agent: this.#agent },
      interceptors: [
        (next) => (request) => {
          request.header.set("x-access-token", this.#token);
          return next(request);
        },
      ],
    });
    this.#process = createClient(Process, transport);
  }

  /** Resolves when the guest agent answers, rejects with `guest_unreachable` otherwise. */
  async health(limitMs = HEALTH_LIMIT_MS): Promise<void> {
    const response = await this.#request("GET", "/health", {}, undefined, AbortSignal.timeout(limitMs));
    response.resume();
    if (response.statusCode !== 204) throw unreachable(new Error(`/health answered ${response.statusCode}`));
  }

  /**
   * Gives the microVM its identity, time and random state. Throws unless the guest agent confirms each of them; from
   * then on the client uses the new token.
   */
  async init(identity: GuestIdentity, limitMs = INIT_LIMIT_MS): Promise<InitConfirmation> {
    const body = JSON.stringify({
      timestamp: new Date().toISOString(),
      accessToken: identity.token,
      envVars: identity.env,
      defaultUser: identity.defaultUser,
      hostname: identity.hostname,
      sandboxId: identity.sandboxId,
      templateId: identity.templateId,
      // Each init follows a start, a thaw or a hand-over: connections from before it lead nowhere, and a process whose
      // output nobody takes would stand still.
      lifecycleID: randomUUID(),
      entropy: Buffer.from(identity.entropy).toString("base64"),
    });
    const headers = { "content-type": "application/json", accept: "application/json" };
    const response = await this.#request("POST", "/init", headers, body, AbortSignal.timeout(limitMs));
    const text = await readText(response);
    if (response.statusCode !== 200) {
      throw new WarrenError("agent_error", `the guest agent refused its identity: ${errorMessage(text)}`);
    }
    const confirmation = JSON.parse(text) as InitConfirmation;
    if (
      confirmation.sandboxId !== identity.sandboxId ||
      confirmation.hostname !== identity.hostname ||
      confirmation.entropyBytes !== identity.entropy.length
    ) {
      throw new WarrenError("agent_error", "the guest agent did not confirm its new identity");
    }
    this.#token = identity.token;
    return confirmation;
  }

  /** Puts all processes of the guest but its agent to sleep, until `unfreeze` or `init`. */
  freeze(): Promise<void> {
    return this.#post("/freeze");
  }

  /** Wakes them up; does nothing when they are awake. */
  unfreeze(): Promise<void> {
    return this.#post("/unfreeze");
  }

  /** Runs a command and yields its events. Aborting `signal` ends the stream, not the command: see {@link end}. */
  async *run(command: GuestCommand, signal?: AbortSignal): AsyncGenerator<CommandEvent> {
    const abort = new AbortController();
    const stop = () => abort.abort(signal?.reason);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
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
    try {
      const live = withLiveness(
        stream,
        () => this.#probe(),
        (reason) => abort.abort(reason),
      );
      for await (const { event } of live) {
        switch (event?.event.case) {
          case "start":
            started = true;
            yield { type: "started", pid: event.event.value.pid };
            break;
          case "data": {
            const { output } = event.event.value;
            if (output.case === "stderr") yield { type: "stderr", data: output.value };
            else if (output.case) yield { type: "stdout", data: output.value };
            break;
          }
          case "end":
            yield { type: "ended", ...commandExit(event.event.value) };
            return;
        }
      }
      throw unreachable(new Error("the stream ended before the command did"));
    } catch (error) {
      if (started && error instanceof ConnectError && error.code === Code.DeadlineExceeded) {
        yield { type: "ended", ...exitBySignal(SIGNALS.SIGKILL, true) };
        return;
      }
      throw guestError(error);
    } finally {
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
      if (error instanceof WarrenError && error.code === "not_found") return;
      throw error;
    }
  }

  /** Gives a running command a new time limit, counted from here; 0 = none. */
  async limit(pid: number, timeLimitMs: number): Promise<void> {
    await this.#call((options) =>
      this.#process.update({ process: { selector: { case: "pid", value: pid } }, timeLimitMs }, options),
    );
  }

  async resize(pid: number, size: { cols: number; rows: number }): Promise<void> {
    await this.#call((options) =>
      this.#process.update({ process: { selector: { case: "pid", value: pid } }, pty: { size } }, options),
    );
  }

  /** Opens a file of the guest. The caller reads `content` to its end or destroys it. */
  async readFile(path: string, user: string | undefined, signal?: AbortSignal): Promise<GuestFile> {
    const headers = { "accept-encoding": "identity" };
    const response = await this.#request("GET", fileUrl(path, user), headers, undefined, signal);
    if (response.statusCode !== 200) {
      throw guestHttpError(response.statusCode ?? 0, errorMessage(await readText(response)), path);
    }
    const length = response.headers["content-length"];
    return { size: length === undefined ? undefined : Number(length), content: response };
  }

  /** Writes a file of the guest from a stream, making parent directories. */
  async writeFile(
    path: string,
    user: string | undefined,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const request = http.request(this.#base + fileUrl(path, user), {
      method: "POST",
      agent: this.#agent,
      headers: { "x-access-token": this.#token, "content-type": "application/octet-stream" },
      ...(signal ? { signal } : {}),
    });
    request.on("response", resolve).on("error", reject);
    promise.catch(() => undefined);
    try {
      await pipeline(content, request);
    } catch (error) {
      // The guest agent may answer, and close, before it has read everything: its answer says more than a broken pipe.
      const early = await Promise.race([promise, Promise.resolve(undefined)]).catch(() => undefined);
      if (!early) {
        request.destroy();
        throw guestError(error);
      }
    }
    const response = await promise.catch((error: unknown) => {
      throw guestError(error);
    });
    const text = await readText(response);
    if (response.statusCode !== 200) throw guestHttpError(response.statusCode ?? 0, errorMessage(text), path);
  }

  /** Ends all calls with `guest_unreachable`, those under way and those to come: the microVM has ended or is let go. */
  close(): void {
    this.#agent.close();
  }

  /** Asks twice, so that one lost packet or a busy moment condemns nobody. */
  async #probe(): Promise<void> {
    await this.health().catch(() => this.health());
  }

  async #post(path: string): Promise<void> {
    const response = await this.#request("POST", path, {}, undefined, AbortSignal.timeout(UNARY_LIMIT_MS));
    const text = await readText(response);
    if ((response.statusCode ?? 0) >= 300) {
      throw new WarrenError(
        "agent_error",
        `the guest agent answered ${response.statusCode} to ${path}: ${errorMessage(text)}`,
      );
    }
  }

  async #call<T>(call: (options: { timeoutMs?: number }) => Promise<T>, limitMs = UNARY_LIMIT_MS): Promise<T> {
    try {
      return await call(limitMs > 0 ? { timeoutMs: limitMs } : {});
    } catch (error) {
      if (error instanceof ConnectError && error.code === Code.DeadlineExceeded) throw unreachable(error);
      throw guestError(error);
    }
  }

  #request(
    method: string,
    path: string,
    headers: http.OutgoingHttpHeaders,
    body: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = http.request(this.#base + path, {
        method,
        agent: this.#agent,
        headers: { "x-access-token": this.#token, ...headers },
        ...(signal ? { signal } : {}),
      });
      request.on("response", resolve);
      request.on("error", (error) => reject(signal?.aborted ? unreachable(error) : guestError(error)));
      request.end(body);
    });
  }
}

function fileUrl(path: string, user: string | undefined): string {
  const query = new URLSearchParams({ path });
  if (user) query.set("username", user);
  return `/files?${query}`;
}

async function readText(response: http.IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  for await (const part of response) {
    text += part;
    if (text.length > 65_536) break;
  }
  return text;
}

/** Message of an error body `{"code","message"}` of the guest agent. */
function errorMessage(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && "message" in body) return String(body.message);
  } catch {
    return text.slice(0, 200);
  }
  return text.slice(0, 200);
}
