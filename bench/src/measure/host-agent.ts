import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { realpath } from "node:fs/promises";
import http2 from "node:http2";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";

const PROGRAM = resolve(import.meta.dirname, "../../../host-agent/src/main.ts");
const SERVICE = "/hostagent.v1.HostAgentService";

/** The host agent of a data directory without a control plane, which would destroy sandboxes that it does not know. */
export class HostAgent {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #session: http2.ClientHttp2Session;

  private constructor(process: ChildProcess, pid: number, socketPath: string) {
    this.#process = process;
    this.pid = pid;
    this.#session = http2.connect("http://agent", { createConnection: () => connect(socketPath) });
  }

  /** Starts it and resolves when it has taken up what was in the directory. */
  static async start(directory: string): Promise<HostAgent> {
    const socketPath = join(directory, "agent.sock");
    const child = spawn(
      process.execPath,
      [
        ...NODE_FLAGS,
        ...NODE_FLAGS,
        ...[PROGRAM, "serve", "--data-dir", directory, "--images-dir", await realpath(join(directory, "images"))],
        ...["--listen", `unix:${socketPath}`, "--ready-fd", "3", "--exit-with-parent"],
      ],
      {
        cwd: directory,
        env: { PATH: process.env.PATH, WARREN_LOG_LEVEL: "warn" },
        stdio: ["pipe", "inherit", "inherit", "pipe"],
      },
    );
    for await (const line of createInterface(child.stdio[3] as Readable)) {
      const report = JSON.parse(line) as { ready?: boolean };
      if (report.ready && child.pid !== undefined) return new HostAgent(child, child.pid, socketPath);
      if (report.ready === false) throw new Error(`the host agent did not start: ${line}`);
    }
    throw new Error("the host agent ended before it was ready");
  }

  /** A call with one answer, as JSON of the Connect protocol. */
  async call<T>(method: string, request: object): Promise<T> {
    const stream = this.#session.request({
      ":method": "POST",
      ":path": `${SERVICE}/${method}`,
      "content-type": "application/json",
      "connect-protocol-version": "1",
    });
    stream.end(JSON.stringify(request));
    const [headers] = await once(stream, "response");
    const body = await text(stream);
    if (headers[":status"] !== 200) throw new Error(`${method}: ${body}`);
    return JSON.parse(body) as T;
  }

  async stop(): Promise<void> {
    this.#session.destroy();
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await exit;
  }
}
