import { execFileSync } from "node:child_process";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createConnection, createServer, isIPv6, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { enterNamespace } from "../../linux/testing/namespace.ts";
import type { Protocol } from "./machine.ts";
import { answerCalls } from "./remote.ts";

const callers: string[] = [];
/** The connection of `connect`. */
let held: Socket | undefined;

async function serve(protocol: Protocol, host: string, port: number): Promise<void> {
  if (protocol === "tcp") {
    const server = createServer((socket) => {
      // The other side may be cut off in any way; what counts is who has asked.
      socket.on("error", () => {});
      callers.push(`tcp ${socket.remoteAddress} → ${host}:${port}`);
      socket.write(`${socket.remoteAddress}\n`);
      socket.on("data", (data) => socket.write(data));
    });
    await once(server.listen(port, host), "listening");
    return;
  }
  const server = createSocket(isIPv6(host) ? "udp6" : "udp4", (_message, from) => {
    callers.push(`udp ${from.address} → ${host}:${port}`);
    server.send(`${from.address}\n`, from.port, from.address);
  });
  server.bind(port, host);
  await once(server, "listening");
}

async function ask(protocol: Protocol, host: string, port: number, from?: string): Promise<string> {
  if (protocol === "tcp") {
    const socket = connectTcp(host, port, from);
    const answer = await nextAnswer(socket);
    socket.destroy();
    return answer;
  }
  const socket = await connectUdp(host, port, from);
  const answer = nextAnswer(socket);
  socket.send("?", (error) => error && socket.emit("error", error));
  await answer;
  socket.close();
  return answer;
}

async function attempt(protocol: Protocol, host: string, port: number, from?: string): Promise<void> {
  if (protocol === "tcp") {
    connectTcp(host, port, from).on("error", () => {});
    // The socket connects before the next turn of the event loop.
    await setImmediate();
  } else {
    const socket = await connectUdp(host, port, from);
    socket.on("error", () => {});
    await new Promise((resolve) => socket.send("?", resolve));
  }
}

async function scan(host: string, port: number, count: number): Promise<void> {
  const socket = createSocket("udp4");
  for (let offset = 0; offset < count; offset++) {
    await new Promise((resolve) => socket.send("?", port + offset, host, resolve));
  }
}

async function connect(host: string, port: number): Promise<void> {
  held = connectTcp(host, port);
  await nextAnswer(held);
}

function write(text: string): Promise<string> {
  const answer = nextAnswer(held!);
  held!.write(text);
  return answer;
}

function connectTcp(host: string, port: number, from?: string): Socket {
  return createConnection({ host, port, ...(from && { localAddress: from }) });
}

async function connectUdp(host: string, port: number, from?: string): Promise<UdpSocket> {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  socket.bind(0, from);
  await once(socket, "listening");
  socket.connect(port, host);
  await once(socket, "connect");
  return socket;
}

function nextAnswer(socket: Socket | UdpSocket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("data", (data) => resolve(String(data).trim()));
    socket.once("message", (data) => resolve(String(data).trim()));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code!));
    socket.once("end", () => resolve("end"));
  });
}

/** The kernel takes the data before this returns, and sends it at once where the other side's window is open (tcp(7)). */
async function send(text: string): Promise<void> {
  held!.write(text);
  await setImmediate();
}

answerCalls({
  enter: enterNamespace,
  run: (script: string) => {
    execFileSync("sh", ["-ec", script]);
  },
  becomeUser: (uid: number) => process.setuid!(uid),
  serve,
  callers: () => callers,
  ask,
  attempt,
  scan,
  connect,
  send,
  write,
});
