import { getEventListeners, once } from "node:events";
import { buffer } from "node:stream/consumers";
import { expect, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { attachProcess, startProcess } from "./exec-stream.ts";
import { useExecServer } from "./testing/exec-server.ts";

const connected = useExecServer();

type Frame = Record<string, unknown>;

/** Has `play` play the server's side of each connection, once its first frame has come. */
function serve(play: (socket: WebSocket, first: Frame, connection: number) => void): Frame[] {
  const firsts: Frame[] = [];
  connected().webSockets.on("connection", (socket) => {
    socket.once("message", (data) => {
      const first = JSON.parse(String(data));
      firsts.push(first);
      play(socket, first, firsts.length);
    });
  });
  return firsts;
}

const json = (frame: Frame) => JSON.stringify(frame);
const exit = json({ type: "exit", exit_code: 4 });
const output = (stream: 1 | 2, text: string) => Buffer.from(`${String.fromCharCode(stream)}${text}`);

test("a command is joined, and says where its output begins and what is missing of it", async () => {
  const firsts = serve((socket) => {
    socket.send(json({ type: "start", pid: 7, tag: "job", offset: 100, dropped: 60, terminal: true }));
    socket.on("message", (data, binary) => {
      if (!binary) return;
      socket.send(output(1, `got ${String(data).slice(1)}`));
      socket.send(exit);
    });
  });
  const process = await attachProcess(connected().transport, "/stream", "job", { from: 40 });
  expect(firsts).toEqual([{ type: "attach", process: "job", from: 40 }]);
  expect(process).toMatchObject({ pid: 7, tag: "job", terminal: true, offset: 100, dropped: 60 });
  process.stdin.write("it");
  const [stdout] = await Promise.all([buffer(process.stdout), buffer(process.stderr)]);
  expect(String(stdout)).toBe("got it");
  expect(await process.exit).toMatchObject({ exitCode: 4 });
  expect(process.offset).toBe(106);
});

test("of a connection that breaks, all that had arrived is there to be read, and counted", async () => {
  serve((socket) => {
    socket.send(json({ type: "start", pid: 7, offset: 0 }));
    socket.send(output(1, "out"));
    socket.send(output(2, "error"));
    socket.close();
  });
  const process = await attachProcess(connected().transport, "/stream", "7", { from: 0 });
  await expect(process.exit).rejects.toMatchObject({ code: "server_unreachable" });
  expect([String(await buffer(process.stdout)), String(await buffer(process.stderr))]).toEqual(["out", "error"]);
  expect(process.offset).toBe(8);
});

test("the streams of a command go on over connections that break, nothing lost and nothing twice", async () => {
  const text = Array.from({ length: 3000 }, (_, line) => `${line}\n`).join("");
  // Where connections end: in the middle of a message, by a server that ends or has lost the host, and before a start.
  const firsts = serve((socket, first, connection) => {
    const from = Number(first.from ?? 0);
    if (connection === 3) return void socket.terminate();
    socket.send(json({ type: "start", pid: 7, offset: from }));
    const until = connection > 5 ? text.length : Math.min(text.length, from + 1500 * connection);
    for (let at = from; at < until; at += 700) socket.send(output(1, text.slice(at, Math.min(at + 700, until))));
    if (until === text.length) socket.send(exit);
    else if (connection === 1) socket.close(1001, "server_stopping");
    else if (connection === 2) socket.send(json({ type: "error", code: "host_unavailable", data: "It is away." }));
    else socket.terminate();
  });
  const options = { background: true, reattach: true, tag: "job" };
  const process = await startProcess(connected().transport, "/stream", "seq", ["3000"], options);
  process.stderr.resume();
  expect(String(await buffer(process.stdout))).toBe(text);
  expect(await process.exit).toMatchObject({ exitCode: 4 });
  expect(process.offset).toBe(text.length);
  expect(firsts[0]).toMatchObject({ type: "start", background: true, tag: "job" });
  expect(firsts.slice(1).map(({ type, process: joined }) => [type, joined])).toEqual(
    firsts.slice(1).map(() => ["attach", "7"]),
  );
  expect(firsts.length).toBeGreaterThanOrEqual(5);
});

test("a reader that was let go of because it took nothing goes on where it was", async () => {
  const firsts = serve((socket, _first, connection) => {
    socket.send(json({ type: "start", pid: 7, offset: connection === 1 ? 0 : 3 }));
    socket.send(output(1, connection === 1 ? "one" : "two"));
    if (connection === 1) socket.send(json({ type: "error", code: "request_timeout", data: "It took nothing." }));
    else socket.send(exit);
  });
  const process = await attachProcess(connected().transport, "/stream", "7", { from: 0, reattach: true });
  process.stderr.resume();
  expect(String(await buffer(process.stdout))).toBe("onetwo");
  expect(firsts.map(({ from }) => from)).toEqual([0, 3]);
});

test("what is said to a command whose connection is broken is said once it is joined again", async () => {
  const said: unknown[] = [];
  const closed = Promise.withResolvers<void>();
  const firsts = serve((socket, _first, connection) => {
    if (connection === 1) {
      socket.send(json({ type: "start", pid: 7, offset: 0 }));
      socket.close(1001);
      // Its closing handshake is over, in which the client has had its part.
      socket.once("close", () => closed.resolve());
      return;
    }
    socket.on("message", (data, binary) => {
      said.push(binary ? String(data).slice(1) : JSON.parse(String(data)));
      if (said.length === 3) socket.send(exit);
    });
    socket.send(json({ type: "start", pid: 7, offset: 0 }));
  });
  const process = await attachProcess(connected().transport, "/stream", "7", { reattach: true });
  for (const stream of [process.stdout, process.stderr]) stream.resume();
  await closed.promise;
  process.resize({ cols: 90, rows: 20 });
  process.kill("SIGINT");
  process.stdin.write("typed");
  await process.exit;
  expect(said).toHaveLength(3);
  expect(said).toEqual(
    expect.arrayContaining([{ type: "resize", cols: 90, rows: 20 }, { type: "signal", signal: "SIGINT" }, "typed"]),
  );
  expect(firsts).toHaveLength(2);
});

test.each([
  ["invalid_state", "the sandbox is paused"],
  ["process_not_found", "there is no such command"],
])("an end by %s is one", async (code, data) => {
  const firsts = serve((socket) => {
    socket.send(json({ type: "start", pid: 7, offset: 0 }));
    socket.send(json({ type: "error", code, data }));
  });
  const process = await attachProcess(connected().transport, "/stream", "7", { reattach: true });
  await expect(process.exit).rejects.toMatchObject({ code, message: data });
  expect(firsts).toHaveLength(1);
});

test("no connection is made again for a command that was let go of", async () => {
  const firsts = serve((socket) => {
    socket.send(json({ type: "start", pid: 7, offset: 0 }));
    socket.terminate();
  });
  const process = await attachProcess(connected().transport, "/stream", "7", { reattach: true });
  await vi.waitFor(() => expect(connected().webSockets.clients.size).toBe(0));
  process.close();
  await expect(process.exit).rejects.toMatchObject({ code: "invalid_state" });
  // Longer than the first attempt would take.
  const next = once(connected().webSockets, "connection", { signal: AbortSignal.timeout(600) });
  await expect(next).rejects.toThrow();
  expect(firsts).toHaveLength(1);
});

test("what was written before a command is let go of is sent, all of it", async () => {
  const { promise: closed, resolve: close } = Promise.withResolvers<string>();
  let isTaken = false;
  serve((socket) => {
    socket.send(json({ type: "start", pid: 7, offset: 0 }));
    let said = "";
    socket.on("message", (data, binary) => {
      if (binary) said += String(data).slice(1);
      // A client may be no more than 256 KiB ahead of the command.
      if (!isTaken && said.length >= 200 * 1024) {
        isTaken = true;
        socket.send(json({ type: "stdin_taken", bytes: said.length }));
      }
    });
    socket.once("close", () => close(said));
  });
  const process = await attachProcess(connected().transport, "/stream", "7", {});
  const written = Array.from({ length: 6000 }, (_, line) => `line ${line} ${"x".repeat(60)}\n`);
  for (const line of written) process.stdin.write(line);
  process.close();
  await expect(process.exit).rejects.toMatchObject({ code: "invalid_state" });
  expect(await closed).toBe(written.join(""));
  expect(isTaken).toBe(true);
});

test("a command that is over, however it came to that, holds nothing of the signal that it was started with", async () => {
  serve((socket, _first, connection) => {
    socket.send(json({ type: "start", pid: 7, offset: 0 }));
    if (connection === 1) socket.send(exit);
    else socket.close();
  });
  const { signal } = new AbortController();
  for (const outcome of ["ends", "breaks"]) {
    const process = await startProcess(connected().transport, "/stream", "true", [], { signal });
    process.stdout.resume();
    process.stderr.resume();
    const how = process.exit.then(
      () => "ends",
      () => "breaks",
    );
    expect(await how).toBe(outcome);
    await expect.poll(() => getEventListeners(signal, "abort"), { timeout: 60_000 }).toEqual([]);
  }
});
