import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";

const MAIN = join(import.meta.dirname, "../main.ts");

/** Answers the commands that are run against it as a test says, in place of a control plane. */
export class StandInServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(answer: RequestListener): Promise<StandInServer> {
    const server = createServer(answer).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new StandInServer(server);
  }

  /** Begins `warren` with these words. */
  spawn(...words: string[]): ChildProcessByStdio<null, Readable, Readable> {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    const env = { PATH: process.env.PATH, WARREN_URL: url, WARREN_API_KEY: "warren_key" };
    return spawn(process.execPath, [...NODE_FLAGS, MAIN, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  }

  /** What `warren` says until it ends. */
  async run(...words: string[]): Promise<{ stdout: string; stderr: string }> {
    const command = this.spawn(...words);
    const [stdout, stderr] = await Promise.all([text(command.stdout), text(command.stderr)]);
    return { stdout, stderr };
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
