import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json, text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";

const MAIN = join(import.meta.dirname, "../main.ts");
const ID = "sbaaaaaaaaaaaaaaaaaaaa";
const SANDBOX = { id: ID, status: "running", template: "minimal", vcpus: 1, memory_mb: 512 };

/** What the server was asked for besides the sandbox. */
let asked: [method: string, path: string, body?: unknown][];
let answers: Record<string, { status: number; body?: unknown }>;
let play: (socket: WebSocket, first: Record<string, unknown>) => void;
let close: () => void;
let env: Record<string, string | undefined>;

beforeEach(async () => {
  asked = [];
  answers = {};
  const server = createServer(async (request, response) => {
    const { method = "", url = "" } = request;
    if (url === `/v1/sandboxes/${ID}`) return void response.end(JSON.stringify(SANDBOX));
    const path = url.replace(`/v1/sandboxes/${ID}`, "");
    asked.push(method === "POST" ? [method, path, await json(request)] : [method, path]);
    const { status, body } = answers[path] ?? { status: 204 };
    response.writeHead(status).end(body && JSON.stringify(body));
  });
  const webSockets = new WebSocketServer({ server, handleProtocols: () => "warren.exec.v1" });
  webSockets.on("connection", (socket) => {
    socket.once("message", (data) => play(socket, JSON.parse(String(data))));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  env = { PATH: process.env.PATH, WARREN_URL: url, WARREN_API_KEY: "warren_key" };
  close = () => {
    for (const client of webSockets.clients) client.terminate();
    server.closeAllConnections();
    server.close();
  };
});
afterEach(() => close());

/** Runs the command line, with what it is typed, once that comes, and gives what it says. */
async function warren(words: string[], input: string | Promise<string> = "") {
  const child = spawn(process.execPath, [...NODE_FLAGS, MAIN, ...words], { env });
  void Promise.resolve(input).then((typed) => child.stdin.end(typed));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { status: child.exitCode, stdout, stderr };
}

test("exec --background prints the process id, and says what is to run", async () => {
  answers["/exec"] = { status: 202, body: { pid: 95, tag: "job" } };
  const words = ["exec", "--background", "--tag", "job", "-w", "/tmp", ID, "--", "make", "-j"];
  expect(await warren(words)).toEqual({ status: 0, stdout: "95\n", stderr: "" });
  const command = { cmd: "make", args: ["-j"], cwd: "/tmp", tag: "job", background: true };
  expect(asked).toEqual([["POST", "/exec", command]]);
  const refused = await warren(["exec", "--background", "-i", ID, "--", "cat"]);
  expect(refused).toMatchObject({ status: 125, stderr: expect.stringContaining("exclude each other") });
});

test("ps of a sandbox lists its commands, and how they ended", async () => {
  const shape = { user: "user", started_at: "2026-01-01T00:00:00.000Z", terminal: false, output_from: 0 };
  const used = { output_bytes: 2500, cpu_ms: 1234, memory_bytes: 5_000_000 };
  const ended_at = "2026-01-01T00:01:00.000Z";
  const processes = [
    { pid: 7, tag: "job", cmd: "sh", args: ["-c", "sleep 9; \u001b[31m"], background: true, ...shape, ...used },
    { pid: 8, cmd: "true", args: [], background: true, ...shape, ...used, exit: { exit_code: 3, ended_at } },
    {
      pid: 9,
      cmd: "sleep",
      args: ["9"],
      background: true,
      ...shape,
      ...used,
      exit: { exit_code: 137, signal: "SIGKILL", ended_at },
    },
    { pid: 10, cmd: "cat", args: [], background: false, ...shape, ...used },
  ];
  answers["/processes"] = { status: 200, body: processes };
  const { stdout } = await warren(["ps", ID]);
  const [heading, ...lines] = stdout.trimEnd().split("\n");
  expect(heading).toMatch(/^PID +TAG +STATUS +USER +STARTED +CPU +MEMORY +OUTPUT +COMMAND$/);
  expect(lines[0]).toMatch(
    /^7 +job +background +user +2026-01-01T00:00:00.000Z +1\.2 s +5 MiB +3 KiB +"sh -c sleep 9; \\u001b\[31m"$/,
  );
  expect(lines.slice(1).map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
    ["8", "exit 3"],
    ["9", "SIGKILL"],
    ["10", "running"],
  ]);
  expect(JSON.parse((await warren(["ps", ID, "--json"])).stdout)).toEqual(processes);
  expect((await warren(["ps", "-q", ID])).stdout).toBe("7\n8\n9\n10\n");
  expect(await warren(["ps", ID, "--status", "paused"])).toMatchObject({ status: 1 });
});

test("kill ends commands, or sends them a signal", async () => {
  answers["/processes/absent"] = {
    status: 404,
    body: { error: { code: "process_not_found", message: "There is none." } },
  };
  const ended = await warren(["kill", ID, "95", "absent"]);
  expect(ended).toMatchObject({ status: 1, stdout: "95\n", stderr: expect.stringContaining("process_not_found") });
  expect(await warren(["kill", "--signal", "hup", ID, "job"])).toEqual({ status: 0, stdout: "job\n", stderr: "" });
  expect(asked).toEqual(
    expect.arrayContaining([
      ["DELETE", "/processes/95"],
      ["DELETE", "/processes/absent"],
      ["POST", "/processes/job/signal", { signal: "SIGHUP" }],
    ]),
  );
  const refused = await warren(["kill", "-s", "NONE", ID, "job"]);
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("SIGTERM") });
});

test("attach passes on what is kept and what comes, over a connection that breaks, and ends as the command does", async () => {
  const firsts: unknown[] = [];
  const closings: unknown[] = [];
  // What is typed while the connection breaks reaches nobody.
  const typed = Promise.withResolvers<string>();
  play = (socket, first) => {
    firsts.push(first);
    socket.on("message", (data, binary) => {
      if (binary) socket.send(Buffer.from(`\u0001got ${String(data).slice(1)}`));
      else closings.push(JSON.parse(String(data)));
      if (binary) socket.send(JSON.stringify({ type: "exit", exit_code: 5 }));
    });
    const { from } = first as { from: number };
    socket.send(
      JSON.stringify({ type: "start", pid: 95, offset: Math.max(from, 20), ...(from < 20 && { dropped: 20 }) }),
    );
    socket.send(Buffer.from(from < 20 ? "\u0001first " : "\u0002oops"));
    if (from < 20) socket.close(1001);
    else typed.resolve("it");
  };
  const { status, stdout, stderr } = await warren(["attach", "-i", ID, "job"], typed.promise);
  expect({ status, stdout }).toEqual({ status: 5, stdout: "first got it" });
  expect(stderr).toContain("oops");
  expect(stderr).toContain("20 bytes of its output are not kept");
  expect(firsts).toEqual([
    { type: "attach", process: "job", from: 0 },
    { type: "attach", process: "95", from: 26 },
  ]);
  // The end of what is passed on is not the end of what others type.
  expect(closings).toEqual([]);
});

test("attach tells what has no such command, with the status of what is not the command's own", async () => {
  play = (socket) => socket.send(JSON.stringify({ type: "error", code: "process_not_found", data: "There is none." }));
  const { status, stderr } = await warren(["attach", ID, "absent"]);
  expect({ status, stderr }).toEqual({ status: 125, stderr: "warren: There is none. (process_not_found)\n" });
});

test("attach leaves a command in a terminal at ^P ^Q, which goes on", async () => {
  let typed = "";
  const frames: string[] = [];
  play = (socket) => {
    socket.on("message", (data, binary) => {
      if (binary) typed += String(data).slice(1);
      else frames.push(JSON.parse(String(data)).type);
      if (typed === "x") socket.send(Buffer.from("\u0001typed"));
    });
    socket.send(JSON.stringify({ type: "start", pid: 95, offset: 0, terminal: true }));
    socket.send(Buffer.from("\u0001ready"));
  };
  const words = [process.execPath, ...NODE_FLAGS, MAIN, "attach", ID, "95"].map((word) => `'${word}'`).join(" ");
  // A terminal of its own, which script(1) makes.
  const child = spawn("script", ["--quiet", "--return", "--command", words, "/dev/null"], { env });
  let shown = "";
  const until = async (what: string) => {
    while (!shown.includes(what)) shown += String((await once(child.stdout, "data"))[0]);
  };
  await until("ready");
  child.stdin.write("x");
  await until("typed");
  child.stdin.write("\u0010\u0011");
  const [status] = await once(child, "close");
  expect(status).toBe(0);
  expect(typed).toBe("x");
  expect(frames).toEqual(["resize"]);
});
