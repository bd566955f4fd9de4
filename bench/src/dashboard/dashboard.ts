import { setTimeout as delay } from "node:timers/promises";
import { buildDashboard, DASHBOARD_DIR } from "@warren/cli/dashboard/build-dashboard";
import { Warren } from "@warren/sdk";
import pg from "pg";
import { Checkout } from "../measure/checkout.ts";
import { ControlPlane, withDirectory } from "../measure/control-plane.ts";
import { EventStream } from "../measure/event-stream.ts";
import { milliseconds } from "../measure/format.ts";
import type { BenchOptions } from "../measure/options.ts";
import { PostgresServer } from "../measure/postgres-server.ts";
import { processorShare } from "../measure/processes.ts";
import { type Figure, formatReport, publishReport } from "../measure/report.ts";
import { Pages } from "./pages.ts";

const LIST = "/dashboard/capsules/list";
const SANDBOXES = 1000;
/** Dashboards that are open at once, sandboxes of their team, and seconds for which they are watched. */
const OPEN = { dashboards: 200, sandboxes: 50, seconds: 30 };
/** What an open list asks besides its events, with the seconds between two questions. */
const QUESTIONS = [
  { path: "/v1/sandboxes/metrics?range=5m", everySec: 10 },
  { path: "/v1/sandboxes", everySec: 30 },
  { path: "/v1/sandboxes?status=error", everySec: 30 },
];
const GOALS = { scriptBytes: 180_000, taskMs: 100 };

interface Account {
  email: string;
  password: string;
  name: string;
}
const MANY: Account = { email: "ada@example.org", password: "correct horse battery", name: "Ada" };
const SOME: Account = { email: "grace@example.org", password: "correct horse battery", name: "Grace" };

/** What the pages make a browser load and do, and what many of them cost a control plane. */
export async function dashboard({ write }: BenchOptions): Promise<void> {
  const [checkout, postgres] = await Promise.all([Checkout.own(), PostgresServer.start(), buildDashboard()]);
  try {
    await withDirectory(async (directory) => {
      const environment = { WARREN_DASHBOARD_DIR: DASHBOARD_DIR };
      const controlPlane = await ControlPlane.start(checkout, directory, postgres.url, undefined, environment);
      const sessions = await fill(controlPlane.url, postgres.url);
      const figures = [...(await measurePages(controlPlane.url)), await measureOpen(controlPlane, sessions)];
      await controlPlane.stop();
      await publishReport("dashboard", formatReport(figures, "none (no microVM)"), write);
    });
  } finally {
    await postgres.close();
  }
}

/** Makes two people with a team and sandboxes each; returns the session of the second. */
async function fill(url: string, databaseUrl: string): Promise<string> {
  const { signIn } = new Warren({ url });
  await signIn.signUp(MANY);
  const { token } = await signIn.signUp(SOME);
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  try {
    for (const [{ email }, count] of [
      [MANY, SANDBOXES],
      [SOME, OPEN.sandboxes],
    ] as const) {
      await database.query(
        `insert into sandboxes (id, team_id, name, spec, status, created_at)
         select 'sb' || translate(substr(md5($1 || n), 1, 20), '0189', 'wxyz'), team_id, 'box-' || n,
           '{"version":1,"template":"minimal","vcpus":1,"memory_mb":512}', 'running', now() - n * interval '1 second'
         from users_teams join users on users.id = user_id, generate_series(1, $2::integer) as n where email = $1`,
        [email, count],
      );
    }
    // Measurements of the last five minutes, as host agents bring them.
    await database.query(
      `insert into sandbox_metric_points (sandbox_id, width_sec, bucket_at, span_ms, cpu_us, rx_bytes, tx_bytes, memory_bytes,
         vmm_memory_bytes, disk_bytes)
       select id, 10, date_bin('10 seconds', now(), 'epoch') - n * interval '10 seconds', 10000, n * 100000, 1000, 1000, 60000000,
         180000000, 1700000
       from sandboxes, generate_series(1, 30) as n`,
    );
    await database.query("vacuum analyze");
  } finally {
    await database.end();
  }
  return token!;
}

/** What a browser loads and how long it is busy. */
async function measurePages(url: string): Promise<Figure[]> {
  const pages = await Pages.open(url, MANY);
  try {
    const first = await pages.load(LIST, (page) => page.getByText("box-1", { exact: true }).first().waitFor());
    const longest = await pages.scroll("box-1", `box-${SANDBOXES}`);
    const charts = await pages.load("/dashboard/capsules/stats", (page) => page.locator("canvas").first().waitFor());
    return [
      {
        name: "script of the first load, the list of sandboxes, in gzip",
        value: kilobytes(first),
        goal: `≤ ${kilobytes(GOALS.scriptBytes)}`,
        met: first <= GOALS.scriptBytes,
      },
      { name: "what the page of charts loads besides", value: kilobytes(charts) },
      {
        name: `list of ${SANDBOXES} sandboxes scrolled to its end and back: longest task`,
        value: milliseconds(longest.ms),
        against: `${milliseconds(longest.processorMs)} of processor time at most`,
        goal: `≤ ${GOALS.taskMs} ms`,
        met: longest.ms <= GOALS.taskMs,
      },
    ];
  } finally {
    await pages.close();
  }
}

/** What dashboards that are open cost the control plane: their streams, and the streams with all that they ask. */
async function measureOpen({ url, pid }: ControlPlane, session: string): Promise<Figure> {
  const headers = { authorization: `Bearer ${session}` };
  const streams = await Promise.all(Array.from({ length: OPEN.dashboards }, () => EventStream.open(url, headers)));
  const idle = await processorShare(pid, () => delay(OPEN.seconds * 1000));
  let questions = 0;
  const asking = await processorShare(pid, async () => {
    questions = await askAll(url, headers);
  });
  for (const stream of streams) stream.close();
  return {
    name: `processor of the control plane, ${OPEN.dashboards} lists of ${OPEN.sandboxes} sandboxes open for ${OPEN.seconds} s`,
    value: `${(asking * 100).toFixed(1)} % of a core for their streams and ${questions} questions`,
    against: `${(idle * 100).toFixed(1)} % for their streams alone`,
  };
}

/** Asks what open lists ask, spread evenly; returns how many questions were answered. */
async function askAll(url: string, headers: Record<string, string>): Promise<number> {
  const moments = QUESTIONS.flatMap(({ path, everySec }) => {
    const count = Math.round((OPEN.dashboards * OPEN.seconds) / everySec);
    return Array.from({ length: count }, (_, index) => ({ path, atMs: ((index + 0.5) / count) * OPEN.seconds * 1000 }));
  });
  const begin = performance.now();
  await Promise.all(
    moments.map(async ({ path, atMs }) => {
      await delay(atMs - (performance.now() - begin));
      const answer = await fetch(url + path, { headers });
      if (!answer.ok) throw new Error(`${path} was refused: ${await answer.text()}`);
      await answer.arrayBuffer();
    }),
  );
  return moments.length;
}

const kilobytes = (bytes: number): string => `${Math.round(bytes / 1000)} kB`;
