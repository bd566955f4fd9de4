import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { frame } from "../../guest/testing/frames.ts";
import { HOME_DIRECTORY, runProgram, type World } from "./shell.ts";

const STREAM = "application/connect+json";
const SIGKILL = 9;
/** Bytes of memory that the guest says it uses. */
export const MEMORY_IN_USE = 16 * 1024 ** 2;

/** Bytes of the envelope of a message. */
const ENVELOPE = 5;

interface Process {
  stop: AbortController;
  /** Number of the signal that ended it. */
  signal: number;
  input: Buffer[];
  closeInput: () => void;
}

/** What is asked of a process that runs. */
interface ControlRequest {
  process: { pid: number };
  /** In base64. */
  input?: { stdin?: string; pty?: string };
  signal?: string | number;
}

/** Speaks for a guest on the address of its network, as the guest agent does, as far as the life of a sandbox needs it. */
export class GuestAgent {
  readonly #world: World;
  readonly #processes = new Map<number, Process>();
  #nextPid = 100;

  constructor(world: World) {
    this.#world = world;
  }

  /** How many processes it has started that have not ended. */
  get processes(): number {
    return this.#processes.size;
  }

  /** Resolves when it listens. */
  listen(address: string, port: number): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    // Input comes by calls: a stream of it is refused, as by agents of long ago.
    server.on("checkContinue", (_request: IncomingMessage, response: ServerResponse) => response.writeHead(404).end());
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, address, () => resolve());
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readWhole(request);
    const { kernel } = this.#world;
    // A machine that stands still takes connections and answers none.
    await kernel.running(false);
    const { token } = kernel.state;
    if (token !== "" && request.headers["x-access-token"] !== token) return void response.writeHead(401).end();
    switch (request.url) {
      case "/health":
        return void response.writeHead(204).end();
      case "/metrics":
        return json(response, 200, { mem_used: MEMORY_IN_USE });
      case "/init":
        return this.#init(body, response);
      case "/freeze":
        kernel.update({ resting: true });
        return void response.writeHead(204).end();
      case "/unfreeze":
        kernel.update({ resting: false });
        return void response.writeHead(204).end();
      case "/process.Process/Start":
        return this.#start(body, request, response);
      case "/process.Process/SendInput":
      case "/process.Process/CloseStdin":
      case "/process.Process/SendSignal":
      case "/process.Process/Update":
        return this.#control(request.url, JSON.parse(body.toString()), response);
      default:
        json(response, 501, { code: "unimplemented", message: `the guest of tests has no ${request.url}` });
    }
  }

  #init(body: Buffer, response: ServerResponse): void {
    const identity = JSON.parse(body.toString());
    const { accessToken: token, hostname, sandboxId, entropy, envVars } = identity;
    this.#world.kernel.update({ token, hostname, resting: false, ...(envVars && { env: envVars }) });
    const entropyBytes = Buffer.from(entropy, "base64").length;
    json(response, 200, { clockOffsetMs: 0, entropyBytes, hostname, sandboxId });
  }

  async #start(body: Buffer, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { process: config, stdin } = JSON.parse(body.subarray(ENVELOPE).toString());
    const pid = this.#nextPid++;
    const stop = new AbortController();
    const closed = Promise.withResolvers<void>();
    const process: Process = { stop, signal: 0, input: [], closeInput: closed.resolve };
    if (stdin === false) closed.resolve();
    this.#processes.set(pid, process);
    request.socket.once("close", () => closed.resolve());
    response.writeHead(200, { "content-type": STREAM });
    const say = (event: unknown) => void response.write(frame(JSON.stringify({ event })));
    say({ start: { pid } });
    const { kernel } = this.#world;
    const status = await runProgram(config.cmd, config.args ?? [], this.#world, {
      env: { ...kernel.state.env, ...config.envs },
      cwd: config.cwd || HOME_DIRECTORY,
      signal: stop.signal,
      stdin: () => closed.promise.then(() => Buffer.concat(process.input)),
      write: (stream, data) => say({ data: { [stream]: data.toString("base64") } }),
    }).catch(() => undefined);
    await kernel.running();
    this.#processes.delete(pid);
    if (status === undefined) say({ end: { exitCode: -1, exited: false, status: "signal", signal: process.signal } });
    else say({ end: { exitCode: status, exited: true, status: `exit status ${status}` } });
    response.end(frame("{}", { flags: 2 }));
  }

  #control(path: string, request: ControlRequest, response: ServerResponse): void {
    const process = this.#processes.get(request.process.pid);
    if (!process) {
      json(response, 404, { code: "not_found", message: "there is no such process" });
      return;
    }
    if (path.endsWith("SendInput"))
      process.input.push(Buffer.from(request.input?.stdin ?? request.input?.pty ?? "", "base64"));
    if (path.endsWith("CloseStdin")) process.closeInput();
    if (path.endsWith("SendSignal")) {
      process.signal = numberOf(request.signal);
      process.stop.abort();
    }
    json(response, 200, {});
  }
}

/** Of a signal as JSON has it, by name or number; those that need no number here are taken for SIGKILL. */
function numberOf(signal: unknown): number {
  if (typeof signal === "number") return signal;
  return { SIGNAL_SIGTERM: 15, SIGNAL_SIGINT: 2, SIGNAL_SIGHUP: 1 }[String(signal)] ?? SIGKILL;
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function readWhole(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
