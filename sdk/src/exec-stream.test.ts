import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { LIMITS } from "@warren/contracts/limits";
import { describe, expect, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { type StartOptions, startProcess } from "./exec-stream.ts";
import { useExecServer } from "./testing/exec-server.ts";

const connected = useExecServer();

/** Starts a command whose side of the connection is played by `play`, once the first frame has come. */
async function start(play: (socket: WebSocket, frame: unknown) => void, options: StartOptions = {}) {
  connected().webSockets.on("connection", (socket) => {
    socket.once("message", (data) => {
      socket.send(JSON.stringify({ type: "start", pid: 7 }));
      play(socket, JSON.parse(String(data)));
    });
  });
  return startProcess(connected().transport, "/stream", "cat", ["-n"], options);
}

const exit = (fields: object) => JSON.stringify({ type: "exit", exit_code: 0, ...fields });

describe("a streamed command", () => {
  test("is started with what was asked for, and hands over its output byte for byte", async () => {
    let started: unknown;
    const process = await start(
      (socket, frame) => {
        started = frame;
        socket.send(Buffer.from([1, 0, 255, 10]));
        socket.send(Buffer.from([2, 200]));
        socket.send(Buffer.from([1, 13]));
        socket.send(exit({ exit_code: 3 }));
      },
      { env: { A: "b" }, cwd: "/tmp", user: "root", timeoutSec: 9 },
    );
    expect(process.pid).toBe(7);
    const [stdout, stderr] = await Promise.all([buffer(process.stdout), buffer(process.stderr)]);
    expect([...stdout]).toEqual([0, 255, 10, 13]);
    expect([...stderr]).toEqual([200]);
    expect(await process.exit).toEqual({ exitCode: 3, timedOut: false });
    expect(started).toEqual({
      type: "start",
      cmd: "cat",
      args: ["-n"],
      env: { A: "b" },
      cwd: "/tmp",
      user: "root",
      timeout_sec: 9,
      stdin: false,
    });
  });

  test("gets its input in frames, never more ahead than signals may overtake, then its end", async () => {
    const received: Buffer[] = [];
    let ahead = 0;
    let furthest = 0;
    let signalled = 0;
    const process = await start(
      (socket) => {
        socket.on("message", (data: Buffer, binary) => {
          if (binary) {
            expect(data[0]).toBe(1);
            received.push(data.subarray(1));
            ahead += data.length - 1;
            furthest = Math.max(furthest, ahead);
            return;
          }
          const { type } = JSON.parse(String(data));
          if (type === "close_stdin") socket.send(exit({}));
          if (type !== "signal") return;
          signalled = ahead;
          socket.send(JSON.stringify({ type: "stdin_taken", bytes: ahead }));
          ahead = 0;
        });
      },
      { stdin: true },
    );
    const input = Buffer.alloc(500_000, "0123456789");
    process.stdin.end(input);
    await vi.waitFor(() => expect(ahead).toBeGreaterThan(LIMITS.stdinAheadBytes - 65_536), { timeout: 30_000 });
    process.kill("SIGUSR1");
    process.stdout.resume();
    process.stderr.resume();
    await process.exit;
    expect(Buffer.concat(received).equals(input)).toBe(true);
    expect(signalled).toBe(furthest);
    expect(furthest).toBeLessThanOrEqual(LIMITS.stdinAheadBytes);
  });

  test("tells the signal that ended it, and that its time was up", async () => {
    const process = await start((socket) => socket.send(exit({ exit_code: 137, signal: "SIGKILL", timed_out: true })));
    expect(await process.exit).toEqual({ exitCode: 137, signal: "SIGKILL", timedOut: true });
  });

  test("holds back the server while its output is not read", async () => {
    const frames = 512;
    let sent = 0;
    const process = await start(async (socket) => {
      for (; sent < frames; sent++) {
        await new Promise((resolve) => socket.send(Buffer.alloc(64 * 1024 + 1, 1), resolve));
      }
      socket.send(exit({}));
    });
    process.stderr.resume();
    await once(process.stdout, "readable");
    // The sender comes to a stand once the sockets' buffers are full, which hold a part of the 32 MiB.
    for (let turn = 0; turn < 5000 && sent < frames; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBeLessThan(frames);
    expect(process.stdout.readableLength).toBeLessThan(1024 * 1024);
    const received = await buffer(process.stdout);
    expect(received.length).toBe(frames * 64 * 1024);
    await process.exit;
  });

  test("gives signs of life while it does not read and so cannot answer", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      let pongs = 0;
      const process = await start((socket) => {
        socket.on("pong", () => pongs++);
        socket.send(Buffer.alloc(64 * 1024 + 1, 1));
      });
      await once(process.stdout, "readable");
      const socket = connected().webSockets.clients.values().next().value!;
      const pong = once(socket, "pong");
      vi.advanceTimersByTime(5000);
      await pong;
      expect(pongs).toBe(1);
      process.close();
      await once(socket, "close");
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test("gets another time limit while it runs", async () => {
    let limit: unknown;
    const process = await start((socket) => {
      socket.on("message", (data) => {
        limit = JSON.parse(String(data));
        socket.send(exit({}));
      });
    });
    process.setTimeLimit(90);
    await process.exit;
    expect(limit).toEqual({ type: "timeout", timeout_sec: 90 });
  });

  test("runs in a terminal, and changes its size", async () => {
    const frames: unknown[] = [];
    const process = await start(
      (socket, frame) => {
        frames.push(frame);
        socket.on("message", (data) => {
          frames.push(JSON.parse(String(data)));
          socket.send(exit({}));
        });
      },
      { terminal: { cols: 100, rows: 30 } },
    );
    process.resize({ cols: 90, rows: 20 });
    expect(await process.exit).toMatchObject({ exitCode: 0 });
    expect(frames).toMatchObject([{ terminal: { cols: 100, rows: 30 } }, { type: "resize", cols: 90, rows: 20 }]);
  });

  test("throws for what the server would refuse, and goes on", async () => {
    const process = await start((socket) => socket.on("message", () => socket.send(exit({}))));
    const refused = expect.objectContaining({ code: "invalid_request" });
    expect(() => process.kill("SIGFOO" as "SIGINT")).toThrow(refused);
    expect(() => process.setTimeLimit(-1)).toThrow(refused);
    expect(() => process.resize({ cols: 0, rows: 1 })).toThrow(refused);
    process.kill("SIGINT");
    expect(await process.exit).toMatchObject({ exitCode: 0 });
  });

  test("takes no input that was not asked for", async () => {
    const frames: unknown[] = [];
    const process = await start((socket) => {
      socket.on("message", (data, binary) => {
        if (binary) frames.push(data);
        else {
          frames.push(JSON.parse(String(data)));
          socket.send(exit({ signal: "SIGTERM" }));
        }
      });
    });
    process.stdin.end("dropped");
    process.kill();
    expect(await process.exit).toMatchObject({ signal: "SIGTERM" });
    expect(frames).toEqual([{ type: "signal", signal: "SIGTERM" }]);
  });

  test("goes on when one of its outputs is thrown away", async () => {
    const process = await start((socket) => {
      for (let frame = 0; frame < 32; frame++) socket.send(Buffer.alloc(64 * 1024, 2));
      socket.send(Buffer.from([1, 65]));
      socket.send(exit({}));
    });
    await once(process.stderr, "readable");
    process.stderr.destroy();
    expect((await buffer(process.stdout)).toString()).toBe("A");
    await process.exit;
  });

  test("fails with the server's error", async () => {
    connected().webSockets.on("connection", (socket) => {
      socket.send(JSON.stringify({ type: "error", code: "guest_unreachable", data: "No answer." }));
    });
    await expect(startProcess(connected().transport, "/stream", "true", [], {})).rejects.toMatchObject({
      code: "guest_unreachable",
      message: "No answer.",
    });
  });

  test("fails with the refusal of the connection", async () => {
    connected().server.removeAllListeners("upgrade");
    connected().server.on("upgrade", (_request, socket) => {
      const body = JSON.stringify({ error: { code: "not_found", message: "There is no such sandbox." } });
      socket.end(`HTTP/1.1 404 Not Found\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    });
    await expect(startProcess(connected().transport, "/stream", "true", [], {})).rejects.toMatchObject({
      code: "not_found",
    });
  });

  test.each([
    ["a connection that breaks", (socket: WebSocket) => socket.terminate(), "server_unreachable"],
    ["a frame of an unknown kind", (socket: WebSocket) => socket.send(Buffer.from([9, 9])), "internal_error"],
    ["a text that is not JSON", (socket: WebSocket) => socket.send("{"), "internal_error"],
  ])("does not end well by %s", async (_name, play, code) => {
    const process = await start(play);
    await expect(process.exit).rejects.toMatchObject({ code });
    expect(process.stdout.destroyed).toBe(true);
  });

  test("is let go of with the reason of its signal", async () => {
    const controller = new AbortController();
    let socket: WebSocket | undefined;
    const process = await start(
      (started) => {
        socket = started;
      },
      { signal: controller.signal },
    );
    const closed = once(socket!, "close");
    controller.abort(new Error("enough"));
    await expect(process.exit).rejects.toThrow("enough");
    await closed;
  });
});
