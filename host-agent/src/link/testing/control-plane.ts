import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { TestAuthority } from "./authority.ts";

/** The id under which hosts are taken up. */
export const HOST = "host-0000000000000000000000001";
const LOAD = { running: 0, paused: 0, sandboxes_limit: 8, memory_mb_taken: 0, memory_mb_limit: 1024 };
/** What a host says of itself. */
export const REPORT = {
  ...{ arch: "amd64", cpu_cores: 2, memory_mb: 1024, disk_gb: 9, version: "1", vmm: "qemu 1", accelerator: "tcg" },
  emulation_reason: "no KVM",
  ...{ load: { ...LOAD, disk_mb_left: 1, cpu_load: 0 }, templates: [{ name: "minimal" }] },
};
/** What is answered: a status, or what is none. */
export type Answer = { status: number; body?: unknown } | "nothing" | "silence" | "endless";

/** A control plane that answers as a test says. */
export class ControlPlane {
  readonly calls: { path: string; token: string | undefined; body: Record<string, unknown> }[] = [];
  /** The token that is taken at this moment. */
  valid = "token-1";
  answer: (path: string, body: Record<string, unknown>) => Answer | undefined = () => undefined;
  /** Gives certificates where there is one, when it is asked for one. */
  authority: TestAuthority | undefined;
  readonly #server: Server = createServer((request, response) => void this.#serve(request, response));
  #waiting: (() => void)[] = [];
  #given = 1;

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves with the next call. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  count(end: string): number {
    return this.calls.filter(({ path }) => path.endsWith(end)).length;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url!;
    const sent = await text(request);
    const body = sent === "" ? {} : JSON.parse(sent);
    const token = request.headers["x-host-token"] as string | undefined;
    this.calls.push({ path, token, body });
    const answer = this.answer(path, body) ?? (await this.#usual(path, token, body));
    for (const wake of this.#waiting.splice(0)) wake();
    if (answer === "nothing") return void request.socket.destroy();
    if (answer === "silence") return;
    if (answer === "endless") {
      response.on("error", () => undefined);
      while (!response.destroyed)
        if (!response.write("x".repeat(65_536))) await once(response, "drain").catch(() => {});
      return;
    }
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
  }

  async #usual(path: string, token: string | undefined, { csr_pem }: Record<string, unknown>): Promise<Answer> {
    if (path === "/health") return { status: 200, body: { status: "ok", version: "1" } };
    if (path.endsWith("/heartbeat")) return { status: token === this.valid ? 204 : 401 };
    this.valid = `token-${++this.#given}`;
    const issued = this.authority && typeof csr_pem === "string" ? await this.authority.answer(csr_pem) : {};
    const body = { host: { id: HOST }, token: this.valid, refresh_token: `refresh-${this.#given}`, ...issued };
    return { status: path.endsWith("/register") ? 201 : 200, body };
  }
}
