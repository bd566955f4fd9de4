import { once } from "node:events";
import { connect } from "node:net";
import { GuestClient } from "@warren/host-agent/guest/client";
import type { Sandbox } from "@warren/sdk";
import { MEMORY_MB } from "./measure/first-output.ts";
import { times } from "./measure/format.ts";
import type { BenchOptions } from "./measure/options.ts";
import { type Figure, formatReport, publishReport } from "./measure/report.ts";
import { BenchStack } from "./measure/stack.ts";
import { median } from "./measure/statistics.ts";

const MIB = 1024 * 1024;
const BYTES = 64 * MIB;
const ROUNDS = 5;
/** MB/s of a stream, either way. */
const GOAL = 20;
const AGENT_PORT = 49983;
const PLAIN_PORT = 9001;

/** The programs at the ends of the streams. */
const SINK = ["wc", "-c"] as const;
const SOURCE = ["head", "-c", String(BYTES), "/dev/zero"] as const;

/** Runs the same programs in the guest with a TCP connection for standard input, after `r`, or output, after `w`. */
const PLAIN_SERVER = `
import socket, subprocess
s = socket.create_server(("0.0.0.0", ${PLAIN_PORT}))
print("listening", flush=True)
while True:
    c, _ = s.accept()
    if c.recv(1) == b"r":
        c.sendall(subprocess.run(${JSON.stringify(SINK)}, stdin=c, stdout=subprocess.PIPE).stdout)
    else:
        subprocess.run(${JSON.stringify(SOURCE)}, stdout=c)
    c.close()
`;

/** How fast the standard streams of a command are, one way at a time. */
export async function streams({ write }: BenchOptions): Promise<void> {
  const { figures, accelerator } = await BenchStack.use({ WARREN_WARM_POOL: "0" }, measure);
  await publishReport("streams", formatReport(figures, accelerator), write);
}

async function measure(stack: BenchStack): Promise<{ figures: Figure[]; accelerator: string }> {
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  const { token } = await stack.record(sandbox.id);
  const address = sandbox.fields.host_ip ?? "";
  const guest = new GuestClient(address, AGENT_PORT, token);
  const server = await sandbox.stream("python3", ["-c", PLAIN_SERVER]);
  server.stderr.resume();
  await server.stdout.take(1).toArray();
  const ways = {
    plainIn: () => plainInput(address),
    guestIn: () => guestInput(guest),
    clientIn: () => clientInput(sandbox),
    plainOut: () => plainOutput(address),
    guestOut: () => guestOutput(guest),
    clientOut: () => clientOutput(sandbox),
  };
  type Way = keyof typeof ways;
  const samples = Object.fromEntries(Object.keys(ways).map((way) => [way, []])) as unknown as Record<Way, number[]>;
  // In turn, so that what else the machine does concerns all of them alike. The first round translates the guest's code.
  for (let round = -1; round < ROUNDS; round++) {
    for (const way of Object.keys(ways) as Way[]) {
      const mbPerSecond = await rate(ways[way]);
      if (round >= 0) samples[way].push(mbPerSecond);
    }
  }
  server.close();
  guest.close();
  const size = `${BYTES / MIB} MiB`;
  const figures = [
    figure(`standard input, ${size}: client to command`, samples.clientIn, samples.plainIn, GOAL),
    figure("the same from the host agent to the guest alone", samples.guestIn, samples.plainIn),
    figure(`standard output, ${size}: command to client`, samples.clientOut, samples.plainOut, GOAL),
    figure("the same from the guest to the host agent alone", samples.guestOut, samples.plainOut),
  ];
  return { figures, accelerator: await stack.accelerator() };
}

function figure(name: string, samples: number[], plain: number[], goal?: number): Figure {
  const value = median(samples);
  const against = `${median(plain).toFixed(1)} MB/s by plain TCP over the same tap with the same program: ${times(value / median(plain))}`;
  return {
    name,
    value: `${value.toFixed(1)} MB/s`,
    against,
    ...(goal === undefined ? {} : { goal: `≥ ${goal} MB/s`, met: value >= goal }),
  };
}

async function plainInput(address: string): Promise<void> {
  const socket = connect(PLAIN_PORT, address);
  socket.write("r");
  await writeAll(socket, (chunk) => socket.write(chunk));
  socket.end();
  const parts = await socket.toArray();
  requireAll(Number(Buffer.concat(parts)));
}

async function plainOutput(address: string): Promise<void> {
  const socket = connect(PLAIN_PORT, address);
  socket.write("w");
  let received = 0;
  socket.on("data", (chunk) => {
    received += chunk.length;
  });
  await once(socket, "end");
  requireAll(received);
}

async function guestInput(guest: GuestClient): Promise<void> {
  let output = "";
  for await (const event of guest.commands.run(command(SINK, true))) {
    if (event.type === "started") void feed(guest, event.pid);
    if (event.type === "stdout") output += Buffer.from(event.data).toString();
  }
  requireAll(Number(output));
}

async function feed(guest: GuestClient, pid: number): Promise<void> {
  const input = await guest.commands.openInput(pid, new AbortController().signal);
  if (!input) throw new Error("the guest takes no stream of input");
  for (const chunk of zeros()) await input.write(chunk);
  await input.end();
  await guest.commands.closeStdin(pid);
}

async function guestOutput(guest: GuestClient): Promise<void> {
  let received = 0;
  for await (const event of guest.commands.run(command(SOURCE, false)))
    if (event.type === "stdout") received += event.data.length;
  requireAll(received);
}

function command([cmd, ...args]: readonly [string, ...string[]], stdin: boolean) {
  return { cmd, args, env: {}, timeoutMs: 0, stdin };
}

async function clientInput(sandbox: Sandbox): Promise<void> {
  const [cmd, ...args] = SINK;
  const process = await sandbox.stream(cmd, args, { stdin: true });
  process.stderr.resume();
  const output = process.stdout.toArray();
  await writeAll(process.stdin, (chunk) => process.stdin.write(chunk));
  process.stdin.end();
  requireAll(Number(Buffer.concat(await output)));
  await process.exit;
}

async function clientOutput(sandbox: Sandbox): Promise<void> {
  const [cmd, ...args] = SOURCE;
  const process = await sandbox.stream(cmd, args);
  process.stderr.resume();
  let received = 0;
  for await (const chunk of process.stdout) received += chunk.length;
  await process.exit;
  requireAll(received);
}

async function writeAll(to: NodeJS.EventEmitter, write: (chunk: Buffer) => boolean): Promise<void> {
  for (const chunk of zeros()) if (!write(chunk)) await once(to, "drain");
}

function* zeros(): Generator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024);
  for (let sent = 0; sent < BYTES; sent += chunk.length) yield chunk;
}

function requireAll(bytes: number): void {
  if (bytes !== BYTES) throw new Error(`${bytes} of ${BYTES} bytes arrived`);
}

async function rate(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return BYTES / 1e6 / ((performance.now() - start) / 1000);
}
