import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { Checkout } from "./measure/checkout.ts";
import { ControlPlane, withDirectory } from "./measure/control-plane.ts";
import { EventStream } from "./measure/event-stream.ts";
import { megabytes } from "./measure/format.ts";
import type { BenchOptions } from "./measure/options.ts";
import { PostgresServer } from "./measure/postgres-server.ts";
import { processorShare, proportionalMemory } from "./measure/processes.ts";
import { type Figure, formatReport, publishReport } from "./measure/report.ts";
import { median, percentile } from "./measure/statistics.ts";

/** Streams that are open at once, as those of pages are. */
const STREAMS = 200;
/** Changes one after the other, and milliseconds between them. */
const CHANGES = { count: 200, everyMs: 50 };
/** Changes of the storm, and requests for them at a time. */
const STORM = { changes: 1000, writers: 4 };
/** Seconds in which nothing happens but heartbeats. */
const IDLE_SEC = 20;
/** Changes of a sandbox in one measurement of what they cost with and without events. */
const WRITES = 500;
const ROUNDS = 5;
const SANDBOX = `sb${"a".repeat(20)}`;

const GOALS = { idleCores: 0.02, changingCores: 0.25, memory: 40e6, latencyMs: 100 };

/** What 200 open streams of events cost a control plane with PostgreSQL, and how fast a change is told to all of them. */
export async function events({ write }: BenchOptions): Promise<void> {
  const postgres = await PostgresServer.start();
  try {
    await withDirectory(async (directory) => {
      const controlPlane = await ControlPlane.start(await Checkout.own(), directory, postgres.url);
      const database = await connect(postgres.url);
      await database.query(
        `insert into sandboxes (id, team_id, spec, status)
         select '${SANDBOX}', id, '{"version":1,"template":"minimal","vcpus":1,"memory_mb":512}', 'running' from teams`,
      );
      const writes = await costOfWrites(database, postgres.url);
      const figures = await measure(controlPlane);
      await database.end();
      await controlPlane.stop();
      await publishReport("events", formatReport([...figures, ...writes], "none (no microVM)"), write);
    });
  } finally {
    await postgres.close();
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

/** Notes something about the sandbox, which is a change that needs no host. */
async function change({ url, apiKey }: ControlPlane, note: number): Promise<void> {
  const headers = { "x-api-key": apiKey, "content-type": "application/json" };
  const body = JSON.stringify({ metadata: { note: String(note) } });
  const answer = await fetch(`${url}/v1/sandboxes/${SANDBOX}`, { method: "PATCH", headers, body });
  if (!answer.ok) throw new Error(`a change was refused: ${await answer.text()}`);
  await answer.arrayBuffer();
}

async function measure(controlPlane: ControlPlane): Promise<Figure[]> {
  const { pid } = controlPlane;
  const memoryBefore = proportionalMemory(pid);
  const streams = await Promise.all(
    Array.from({ length: STREAMS }, () => EventStream.open(controlPlane.url, { "x-api-key": controlPlane.apiKey })),
  );
  const idle = await processorShare(pid, () => delay(IDLE_SEC * 1000));
  const latencies: number[] = [];
  const changing = await processorShare(pid, async () => {
    for (let count = 0; count < CHANGES.count; count++) {
      const told = Promise.all(streams.map((stream) => stream.reach(stream.events + 1)));
      const begin = performance.now();
      await change(controlPlane, count);
      await told;
      const ms = performance.now() - begin;
      latencies.push(ms);
      await delay(Math.max(0, CHANGES.everyMs - ms));
    }
  });
  const memory = Math.max(0, proportionalMemory(pid) - memoryBefore);
  const storm = await measureStorm(streams, controlPlane);
  for (const stream of streams) stream.close();
  const p95 = percentile(latencies, 0.95);
  return [
    {
      name: `processor of the control plane, ${STREAMS} streams open, nothing happens`,
      value: `${(idle * 100).toFixed(1)} % of a core`,
      goal: `≤ ${GOALS.idleCores * 100} %`,
      met: idle <= GOALS.idleCores,
    },
    {
      name: `the same with ${1000 / CHANGES.everyMs} changes a second at most, each told to all`,
      value: `${(changing * 100).toFixed(1)} % of a core`,
      goal: `≤ ${GOALS.changingCores * 100} %`,
      met: changing <= GOALS.changingCores,
    },
    {
      name: `memory that ${STREAMS} streams take (PSS)`,
      value: megabytes(memory),
      goal: `≤ ${megabytes(GOALS.memory)}`,
      met: memory <= GOALS.memory,
    },
    {
      name: "from a request for a change (`PATCH`) to the last of them that was told",
      value: `${median(latencies).toFixed(1)} ms p50, ${p95.toFixed(1)} ms p95`,
      goal: `≤ ${GOALS.latencyMs} ms p95`,
      met: p95 <= GOALS.latencyMs,
    },
    { name: `${STORM.changes} changes, ${STORM.writers} requests at a time, told to all`, value: storm },
  ];
}

/** How a storm of changes is written and told. */
async function measureStorm(streams: EventStream[], controlPlane: ControlPlane): Promise<string> {
  const told = Promise.all(streams.map((stream) => stream.reach(stream.events + STORM.changes)));
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: STORM.writers }, async (_, writer) => {
      for (let count = writer; count < STORM.changes; count += STORM.writers) await change(controlPlane, count);
    }),
  );
  const writeMs = performance.now() - begin;
  await told;
  const tellMs = performance.now() - begin;
  return `written in ${(writeMs / 1000).toFixed(1)} s, told ${((tellMs - writeMs) / 1000).toFixed(1)} s later`;
}

/** What a change of a sandbox takes with the triggers that write events, and without them, one after the other and 8 at once. */
async function costOfWrites(database: pg.Client, url: string): Promise<Figure[]> {
  const writers = await Promise.all(Array.from({ length: 8 }, () => connect(url)));
  await database.query(
    `insert into sandboxes (id, team_id, spec, status)
     select 'sb' || rpad(chr(97 + n), 20, 'b'), id, '{"version":1,"template":"minimal","vcpus":1,"memory_mb":512}', 'stopped'
     from teams, generate_series(0, 7) as n`,
  );
  const round = async (count: number) => {
    const begin = performance.now();
    await Promise.all(
      writers.slice(0, count).map(async (writer, index) => {
        const id = `sb${String.fromCharCode(97 + index).padEnd(20, "b")}`;
        for (let each = 0; each < WRITES / count; each++) {
          await writer.query("update sandboxes set version = version + 1, last_updated = now() where id = $1", [id]);
        }
      }),
    );
    return (performance.now() - begin) / WRITES;
  };
  const samples = { withEvents: [[], []], without: [[], []] } as Record<"withEvents" | "without", [number[], number[]]>;
  for (let count = 0; count < ROUNDS; count++) {
    for (const name of ["withEvents", "without"] as const) {
      await database.query(
        `alter table sandboxes ${name === "without" ? "disable" : "enable"} trigger sandboxes_changed`,
      );
      samples[name][0].push(await round(1));
      samples[name][1].push(await round(writers.length));
    }
  }
  await database.query("alter table sandboxes enable trigger sandboxes_changed");
  for (const writer of writers) await writer.end();
  return ["one after the other", `${writers.length} at once`].map((how, index) => {
    const [withEvents, without] = [median(samples.withEvents[index]!), median(samples.without[index]!)];
    return {
      name: `a change of a sandbox in the database with its event, ${how}`,
      value: `${withEvents.toFixed(2)} ms`,
      against: `${without.toFixed(2)} ms without`,
    };
  });
}
