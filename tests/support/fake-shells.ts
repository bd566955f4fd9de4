import type { Page, WebSocketRoute } from "playwright-core";

/** A shell of {@link FakeShells}: what is typed is its output, but for what a test prints. */
interface FakeShell {
  pid: number;
  tag: string;
  /** All that it has written. */
  output: Buffer;
  /** How much of that is not kept any more. */
  forgotten: number;
  /** All that was typed. */
  input: string;
  sizes: { cols: number; rows: number }[];
  readers: Set<WebSocketRoute>;
}

type Frame = { type: string; tag?: string; process?: string; from?: number; cols?: number; rows?: number };

/**
 * Shells of a capsule that has none: in place of the server it answers what the pages ask for them, so that a test chooses when
 * a connection breaks, how long an answer takes, and what is kept of the output.
 */
export class FakeShells {
  readonly all: FakeShell[] = [];
  #nextPid = 95;
  /** How many times a page has asked to start or join one. */
  asked = 0;
  /** What a command that is started or joined waits for. */
  ready: Promise<void> = Promise.resolve();
  /** Whether connections break at once. */
  away = false;

  /** Answers what a page asks from now on. */
  async serve(page: Page): Promise<void> {
    await page.route(/\/processes$/, (route) =>
      route.fulfill({ json: this.all.map((shell) => this.#described(shell)) }),
    );
    await page.route(/\/processes\/[^/]+(\/signal)?$/, (route) => {
      const process = /processes\/([^/]+)/.exec(route.request().url())?.[1];
      const shell = this.all.find(({ pid, tag }) => process === String(pid) || process === tag);
      if (shell) {
        this.end(shell.pid, { exit_code: 129, signal: "SIGHUP" });
        return route.fulfill({ status: 204 });
      }
      return route.fulfill({ status: 404, json: { error: { code: "process_not_found", message: "it has ended" } } });
    });
    const sockets = new Set<WebSocketRoute>();
    await page.routeWebSocket(/\/exec\/stream$/, (socket) => {
      sockets.add(socket);
      this.#take(socket);
    });
    // Nothing is told of the connections of a page that is left.
    const leave = () => {
      for (const socket of sockets) this.#forget(socket);
      sockets.clear();
    };
    page.on("request", (request) => request.isNavigationRequest() && leave());
    page.on("close", leave);
  }

  /** Opens a shell that no page has asked for. */
  open(tag: string): void {
    this.#make(tag);
  }

  /** Has a shell write. */
  print(shell: FakeShell, text: string): void {
    const bytes = Buffer.from(text);
    shell.output = Buffer.concat([shell.output, bytes]);
    for (const reader of shell.readers) reader.send(Buffer.from([1, ...bytes]));
  }

  /** Ends a shell. */
  end(pid: number, exit: { exit_code: number; signal?: string }): void {
    const index = this.all.findIndex((shell) => shell.pid === pid);
    const [ended] = this.all.splice(index, 1);
    for (const reader of ended?.readers ?? []) {
      reader.send(JSON.stringify({ type: "exit", ...exit }));
      void reader.close();
    }
  }

  /** Breaks all connections, and those that are made until they are let through again. */
  async breakAll(): Promise<void> {
    this.away = true;
    const readers = this.all.flatMap((shell) => [...shell.readers]);
    for (const shell of this.all) shell.readers.clear();
    await Promise.all(readers.map((reader) => reader.close({ code: 1011 })));
  }

  #described({ pid, tag, output, forgotten }: FakeShell) {
    return {
      pid,
      tag,
      cmd: "sh",
      args: [],
      user: "user",
      started_at: new Date().toISOString(),
      terminal: true,
      background: true,
      output_bytes: output.length,
      output_from: forgotten,
      cpu_ms: 120,
      memory_bytes: 4 << 20,
    };
  }

  #take(socket: WebSocketRoute): void {
    if (this.away) return void socket.close({ code: 1011 });
    let shell: FakeShell | undefined;
    let begun: Promise<FakeShell | undefined> | undefined;
    socket.onMessage(async (message) => {
      if (typeof message !== "string") {
        const typed = message.subarray(1).toString();
        if (!shell) return;
        shell.input += typed;
        socket.send(JSON.stringify({ type: "stdin_taken", bytes: message.length - 1 }));
        return this.print(shell, typed.replaceAll("\r", "\r\n"));
      }
      const frame = JSON.parse(message) as Frame;
      if (frame.type === "start" || frame.type === "attach") {
        begun = this.#begin(socket, frame);
        shell = await begun;
      } else if (frame.type === "stop") {
        shell = await begun;
        if (shell && this.all.includes(shell)) this.end(shell.pid, { exit_code: 143, signal: "SIGTERM" });
      } else if (frame.type === "resize") shell?.sizes.push({ cols: frame.cols!, rows: frame.rows! });
    });
    socket.onClose(() => this.#forget(socket));
  }

  #forget(socket: WebSocketRoute): void {
    for (const shell of this.all) shell.readers.delete(socket);
  }

  async #begin(socket: WebSocketRoute, frame: Frame): Promise<FakeShell | undefined> {
    this.asked += 1;
    await this.ready;
    const known = this.all.find(({ pid, tag }) => [String(pid), tag].includes(frame.process ?? frame.tag ?? ""));
    const isStart = frame.type === "start";
    if (isStart ? known : !known) {
      const code = isStart ? "already_exists" : "process_not_found";
      socket.send(JSON.stringify({ type: "error", code, data: code }));
      return;
    }
    const shell = known ?? this.#make(frame.tag ?? "");
    const { pid, tag, forgotten } = shell;
    const offset = Math.max(frame.from ?? 0, forgotten);
    const dropped = offset - (frame.from ?? 0);
    socket.send(JSON.stringify({ type: "start", pid, tag, offset, ...(dropped > 0 && { dropped }), terminal: true }));
    if (shell.output.length > offset) socket.send(Buffer.from([1, ...shell.output.subarray(offset)]));
    shell.readers.add(socket);
    return shell;
  }

  #make(tag: string): FakeShell {
    const pid = this.#nextPid++;
    const output = Buffer.from("$ ");
    const made: FakeShell = { pid, tag, output, forgotten: 0, input: "", sizes: [], readers: new Set() };
    this.all.push(made);
    return made;
  }
}
