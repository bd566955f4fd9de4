import pg from "pg";
import { Checkout } from "../measure/checkout.ts";
import { ControlPlane, withDirectory } from "../measure/control-plane.ts";
import { milliseconds } from "../measure/format.ts";
import type { BenchOptions } from "../measure/options.ts";
import { PostgresServer } from "../measure/postgres-server.ts";
import { type Figure, formatReport, publishReport } from "../measure/report.ts";
import { median, percentile } from "../measure/statistics.ts";
import { timed } from "../measure/timing.ts";
import { measureAudit } from "./audit.ts";
import { SEED, seed } from "./seed.ts";

/** Rounds of the sampler that are waited for, ten seconds each. */
const ROUNDS = 8;
/** Times that each team asks. */
const TURNS = 3;
const GOALS = { queryMs: 50, roundMs: 200 };

/** What the sampler notes of a round in its log. */
interface Round {
  teams: number;
  ms: number;
}

/** What the use of many teams over two months, and a long audit log, cost to keep and to ask for, with PostgreSQL. */
export async function stats({ write }: BenchOptions): Promise<void> {
  const checkout = await Checkout.own();
  const postgres = await PostgresServer.start();
  try {
    await withDirectory(async (directory) => {
      // Migrates the database.
      await (await ControlPlane.start(checkout, directory, postgres.url)).stop();
      const database = new pg.Client({ connectionString: postgres.url });
      await database.connect();
      const { ms, result: keys } = await timed(() => seed(database));
      process.stderr.write(`${SEED.teams} teams × ${SEED.days} days were made in ${(ms / 1000).toFixed(0)} s\n`);
      await database.end();
      const rounds: Round[] = [];
      let counting = false;
      const sampled = Promise.withResolvers<void>();
      const onLine = (line: string) => {
        const { msg, teams, ms } = JSON.parse(line);
        if (msg === SAMPLED && counting && rounds.push({ teams, ms }) === ROUNDS) sampled.resolve();
      };
      const controlPlane = await ControlPlane.start(checkout, directory, postgres.url, onLine);
      const queries: Figure[] = [];
      for (const range of ["30d", "24h", "6h", "1h", "5m"]) queries.push(await ask(controlPlane.url, keys, range));
      counting = true;
      await sampled.promise;
      // Rounds beside the millions of rows that come next would tell of those.
      counting = false;
      const pages = await measureAudit(controlPlane.url, postgres.url);
      await controlPlane.stop();
      await publishReport("stats", formatReport([...queries, ofRounds(rounds), ...pages], "none (no microVM)"), write);
    });
  } finally {
    await postgres.close();
  }
}

const SAMPLED = "what teams have in use was sampled";

/** Asks as one team after another, each of which looks at other rows. */
async function ask(url: string, keys: string[], range: string): Promise<Figure> {
  const samples: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    for (const key of keys) {
      const { ms } = await timed(async () => {
        const answer = await fetch(`${url}/v1/sandboxes/stats?range=${range}`, { headers: { "x-api-key": key } });
        const { series } = (await answer.json()) as { series: { labels: string[] } };
        if (series.labels.length === 0) throw new Error(`a chart of ${range} is empty`);
      });
      samples.push(ms);
    }
  }
  const p95 = percentile(samples, 0.95);
  return {
    name: `\`GET /v1/sandboxes/stats?range=${range}\`, ${keys.length} teams in turn`,
    value: `${milliseconds(median(samples))} p50, ${milliseconds(p95)} p95`,
    ...(range === "30d" && { goal: `≤ ${milliseconds(GOALS.queryMs)}`, met: p95 <= GOALS.queryMs }),
  };
}

function ofRounds(rounds: readonly Round[]): Figure {
  const times = rounds.map(({ ms }) => ms);
  const most = Math.max(...times);
  if (rounds.some(({ teams }) => teams !== SEED.teams)) throw new Error("a round has left teams out");
  return {
    name: `round of the sampler: ${SEED.teams} teams, ${SEED.teams * (SEED.running + SEED.paused)} sandboxes that are not over`,
    value: `${milliseconds(median(times))} p50, ${milliseconds(most)} at most of ${rounds.length}`,
    goal: `≤ ${milliseconds(GOALS.roundMs)}`,
    met: most <= GOALS.roundMs,
  };
}
