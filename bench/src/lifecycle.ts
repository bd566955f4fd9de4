import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { GuestClient } from "@warren/host-agent/guest/client";
import type { Sandbox } from "@warren/sdk";
import { MEMORY_MB, startMs } from "./measure/first-output.ts";
import { megabytes, milliseconds, seconds, times } from "./measure/format.ts";
import type { BenchOptions } from "./measure/options.ts";
import { processorSeconds, proportionalMemory } from "./measure/processes.ts";
import { type Figure, formatReport, publishReport } from "./measure/report.ts";
import { BenchStack } from "./measure/stack.ts";
import { median, percentile } from "./measure/statistics.ts";

const MIB = 1024 * 1024;
const BOOTS = 10;
const ROUND_TRIPS = 100;
const TRANSFER_BYTES = 256 * MIB;
const TRANSFERS = 3;
/** Until what a guest does after a start or a transfer is done; nothing tells when. */
const SETTLING_SECONDS = 5;
const IDLE_SECONDS = 20;
const AGENT_PORT = 49983;
const COPY_PORT = 9000;

/** Serves plain TCP in the guest: `r` makes it read to the end and answer, `w` makes it send that many zeros. */
const COPY_SERVER = `
import socket
s = socket.create_server(("0.0.0.0", ${COPY_PORT}))
print("listening", flush=True)
zeros = bytes(1 << 20)
while True:
    c, _ = s.accept()
    if c.recv(1) == b"r":
        with open("/tmp/copy", "wb", 0) as f:
            while part := c.recv(1 << 20): f.write(part)
        c.sendall(b"k")
    else:
        with open("/tmp/copy", "rb", 0) as f:
            while part := f.read(1 << 20): c.sendall(part)
    c.close()
`;

/** Figures of the life of one sandbox: a boot, calls, files, and what it costs when idle. */
export async function lifecycle({ write }: BenchOptions): Promise<void> {
  const boots = await BenchStack.use({ WARREN_COLD_BOOT: "1", WARREN_WARM_POOL: "0" }, coldBoots);
  const { figures, accelerator } = await BenchStack.use({ WARREN_WARM_POOL: "0" }, measure);
  await publishReport("lifecycle", formatReport([coldBootFigure(boots), ...figures], accelerator), write);
}

async function measure(stack: BenchStack): Promise<{ figures: Figure[]; accelerator: string }> {
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  const figures = [...(await calls(stack)), ...(await transfers(sandbox)), ...(await idle(stack, sandbox))];
  return { figures, accelerator: await stack.accelerator() };
}

async function coldBoots(stack: BenchStack): Promise<number[]> {
  const samples: number[] = [];
  while (samples.length < BOOTS) samples.push(await startMs(stack));
  return samples;
}

function coldBootFigure(samples: number[]): Figure {
  const value = `${seconds(percentile(samples, 0.5))} p50, ${seconds(percentile(samples, 0.95))} p95`;
  return { name: `cold boot: create request to first command's output, ${samples.length} times`, value };
}

async function calls(stack: BenchStack): Promise<Figure[]> {
  const sandbox = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  const { token } = await stack.record(sandbox.id);
  const guest = new GuestClient(sandbox.fields.host_ip ?? "", AGENT_PORT, token);
  const command = { cmd: "true", args: [], env: {}, timeoutMs: 30_000, stdin: false };
  const direct = async () => {
    for await (const event of guest.commands.run(command)) if (event.type === "ended") return;
  };
  const rest = async () => void (await sandbox.exec("true"));
  const samples = { direct: [] as number[], rest: [] as number[] };
  for (let round = -10; round < ROUND_TRIPS; round++) {
    for (const [name, call] of Object.entries({ direct, rest })) {
      const start = performance.now();
      await call();
      if (round >= 0) samples[name as "direct" | "rest"].push(performance.now() - start);
    }
  }
  guest.close();
  await sandbox.destroy();
  const ratio = median(samples.rest) / median(samples.direct);
  return [
    {
      name: "round trip of a command through REST",
      value: milliseconds(median(samples.rest)),
      against: `${milliseconds(median(samples.direct))} straight to the guest agent: ${times(ratio)}`,
      goal: "≤ 1.25x",
      met: ratio <= 1.25,
    },
  ];
}

async function transfers(sandbox: Sandbox): Promise<Figure[]> {
  const server = await sandbox.stream("python3", ["-c", COPY_SERVER]);
  server.stderr.resume();
  await server.stdout.take(1).toArray();
  const address = sandbox.fields.host_ip ?? "";
  const samples = { upload: [] as number[], copyIn: [] as number[], download: [] as number[], copyOut: [] as number[] };
  for (let round = 0; round < TRANSFERS; round++) {
    samples.copyIn.push(await rate(() => copyIn(address)));
    samples.upload.push(await rate(() => sandbox.upload("/tmp/copy", zeros(), { size: TRANSFER_BYTES })));
    // An upload leaves the file on the disk only: both readings find it in the page cache.
    await sandbox.exec("sh", ["-c", "cat /tmp/copy > /dev/null"]);
    samples.copyOut.push(await rate(() => copyOut(address)));
    samples.download.push(
      await rate(async () => {
        let received = 0;
        for await (const chunk of await sandbox.download("/tmp/copy")) received += chunk.length;
        if (received !== TRANSFER_BYTES) throw new Error(`downloaded ${received} bytes`);
      }),
    );
  }
  server.close();
  return [
    compare("upload of 256 MiB", samples.upload, samples.copyIn),
    compare("download of 256 MiB", samples.download, samples.copyOut),
  ];
}

function compare(name: string, samples: number[], plain: number[]): Figure {
  const ratio = median(samples) / median(plain);
  return {
    name,
    value: `${median(samples).toFixed(1)} MB/s`,
    against: `${median(plain).toFixed(1)} MB/s by plain TCP over the same tap, to and from the same file: ${times(ratio)}`,
    goal: "≥ 0.7x",
    met: ratio >= 0.7,
  };
}

async function idle(stack: BenchStack, sandbox: Sandbox): Promise<Figure[]> {
  const fresh = await stack.warren.sandboxes.create({ memoryMb: MEMORY_MB });
  const [usedVmm, freshVmm] = [await stack.vmmPid(sandbox.id), await stack.vmmPid(fresh.id)];
  await delay(SETTLING_SECONDS * 1000);
  const before = [usedVmm, freshVmm].map(processorSeconds);
  await delay(IDLE_SECONDS * 1000);
  const used = [usedVmm, freshVmm].map((pid, index) => processorSeconds(pid) - (before[index] ?? 0));
  const share = (100 * Math.max(...used)) / IDLE_SECONDS;
  return [
    { name: "memory of the host agent (PSS)", value: megabytes(proportionalMemory(await stack.hostAgentPid())) },
    {
      name: "memory of the VMM of one idle sandbox of 512 MiB (PSS)",
      value: megabytes(proportionalMemory(freshVmm)),
    },
    {
      name: `processor time of one idle sandbox over ${IDLE_SECONDS} s`,
      value: `${share.toFixed(1)} % of a core`,
    },
  ];
}

function copyIn(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(COPY_PORT, address, async () => {
      socket.write("r");
      for await (const chunk of zeros()) {
        if (!socket.write(chunk)) await new Promise((drained) => socket.once("drain", drained));
      }
      socket.end();
    });
    socket.on("data", () => resolve()).on("error", reject);
  });
}

function copyOut(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const socket = connect(COPY_PORT, address, () => socket.write("w"));
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    socket.on("end", () => (received === TRANSFER_BYTES ? resolve() : reject(new Error(`copied ${received} bytes`))));
    socket.on("error", reject);
  });
}

async function* zeros(): AsyncGenerator<Buffer> {
  const chunk = Buffer.alloc(MIB);
  for (let sent = 0; sent < TRANSFER_BYTES; sent += chunk.length) yield chunk;
}

async function rate(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return TRANSFER_BYTES / 1e6 / ((performance.now() - start) / 1000);
}
