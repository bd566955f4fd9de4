import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { frame } from "../../guest/testing/frames.ts";
import { GuestProcess } from "./guest-processes.ts";
import { HOME_DIRECTORY, runProgram, type World } from "./shell.ts";

const STREAM = "application/connect+json";
const SIGKILL = 9;
/** Bytes of memory that the guest says it uses. */
export const MEMORY_IN_USE = 16 * 1024 ** 2;

/** Bytes of the envelope of a message. */
const ENVELOPE = 5;

/** What is asked of a process. */
interface ControlRequest {
  process: { pid?: number; tag?: string };
  /** Where in the output to begin, a number of 64 bits as JSON has it. */
  from?: string;
  /** In base64. */
  input?: { stdin?: string; pty?: string };
  signal?: string | number;
}

/** Speaks for a guest on the address of its network, as the guest agent does, as far as the life of a sandbox needs it. */
export class GuestAgent {
  readonly #world: World;
  /** Those that run, and those that have ended whose output is kept. */
  readonly #processes = new Map<number, GuestProcess>();
  /** Who is told that they are others. */
  readonly #watchers = new Set<ServerResponse>();
  #nextPid = 100;

  constructor(world: World) {
    this.#world = world;
  }

  /** How many processes it has started that have not ended. */
  get processes(): number {
    return [...this.#processes.values()].filter(({ hasEnded }) => !hasEnded).length;
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
      case "/process.Process/Connect":
        return this.#join(JSON.parse(body.subarray(ENVELOPE).toString()), response);
      case "/process.Process/List":
        return json(response, 200, {
          processes: [...this.#processes.values()].map((process) => process.info()),
          keepsOutput: true,
        });
      case "/process.Process/Watch":
        response.writeHead(200, { "content-type": STREAM }).write(frame("{}"));
        this.#watchers.add(response);
        return void response.once("close", () => this.#watchers.delete(response));
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
    const asked = JSON.parse(body.subarray(ENVELOPE).toString());
    const { process: config, stdin, tag } = asked;
    response.writeHead(200, { "content-type": STREAM });
    const former = tag && this.#find({ tag });
    if (former && !former.hasEnded && asked.exclusiveTag) return refuse(response, "already_exists");
    const process = new GuestProcess(this.#nextPid++, asked);
    if (stdin === false) process.closeInput();
    this.#processes.set(process.pid, process);
    this.#tellWatchers();
    if (!process.keeps) request.socket.once("close", process.closeInput);
    process.join(response);
    const { kernel } = this.#world;
    const status = await runProgram(config.cmd, config.args ?? [], this.#world, {
      env: { ...kernel.state.env, ...config.envs },
      cwd: config.cwd || HOME_DIRECTORY,
      signal: process.stop.signal,
      stdin: () => process.inputClosed.then(() => Buffer.concat(process.input)),
      write: (stream, data) => process.write(stream, data),
    }).catch(() => undefined);
    await kernel.running();
    if (!process.keeps) this.#processes.delete(process.pid);
    process.end(status);
    this.#tellWatchers();
  }

  #tellWatchers(): void {
    for (const watcher of this.#watchers) watcher.write(frame("{}"));
  }

  #join(request: ControlRequest, response: ServerResponse): void {
    response.writeHead(200, { "content-type": STREAM });
    const process = this.#find(request.process);
    if (process) process.join(response, request.from === undefined ? undefined : Number(request.from));
    else refuse(response, "not_found");
  }

  /** The newest of that process id or tag. */
  #find({ pid, tag }: ControlRequest["process"]): GuestProcess | undefined {
    return [...this.#processes.values()].findLast((process) => process.pid === pid || (tag && process.tag === tag));
  }

  #control(path: string, request: ControlRequest, response: ServerResponse): void {
    const process = this.#find(request.process);
    if (!process || process.hasEnded) {
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

/** Ends a stream of events with an error. */
function refuse(response: ServerResponse, code: string): void {
  response.end(frame(JSON.stringify({ error: { code, message: "refused" } }), { flags: 2 }));
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function readWhole(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
