import { type AuditOptions, Warren } from "@warren/sdk";
import pg from "pg";
import { milliseconds } from "../measure/format.ts";
import type { Figure } from "../measure/report.ts";
import { median, percentile } from "../measure/statistics.ts";
import { timed } from "../measure/timing.ts";
import { BUSY, EVENTS, RARE_ACTOR, seedAudit } from "./audit-seed.ts";

/** Times that each page is asked for, in turn with the others. */
const ROUNDS = 15;
const PAGE = 200;
const GOAL_MS = 20;

/** How long a page of the audit log of ten million events takes, from the request to the end of the answer, by kind of filter. */
export async function measureAudit(url: string, databaseUrl: string): Promise<Figure[]> {
  const account = { email: "ada@example.org", password: "correct horse battery staple", name: "Ada" };
  const { token } = await new Warren({ url }).signIn.signUp(account);
  const warren = new Warren({ url, sessionToken: token! });
  try {
    const { ms } = await timed(() => fill(databaseUrl, account.email));
    process.stderr.write(`${EVENTS} events of the audit log were made in ${(ms / 1000).toFixed(0)} s\n`);
    const pages = Object.entries(filters());
    const samples = pages.map((): number[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, [, options]] of pages.entries()) {
        const { ms } = await timed(() => warren.auditLogs.page({ ...options, limit: PAGE }));
        samples[index]!.push(ms);
      }
    }
    return pages.map(([name], index) => figureOf(name, samples[index]!));
  } finally {
    warren.close();
  }
}

/** Fills the log of the only team of a user. */
async function fill(databaseUrl: string, email: string): Promise<void> {
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  try {
    const teamOf = "select team_id from users_teams join users on users.id = user_id where email = $1";
    const { rows } = await database.query(teamOf, [email]);
    await seedAudit(database, rows[0].team_id);
  } finally {
    await database.end();
  }
}

/** What is asked for, by what a person would say of it. */
function filters(): Record<string, AuditOptions> {
  const middle = new Date(Date.now() - (EVENTS / 2) * 1000);
  const day = { from: new Date(middle.getTime() - 86_400_000), to: middle };
  const someActors = Array.from(
    { length: 10 },
    (_, number) => BUSY.actor.slice(0, -2) + String(number).padStart(2, "0"),
  );
  return {
    "the newest": {},
    "those before the middle": { to: middle },
    "those of a day": day,
    "of sandboxes, all seven kinds": { resourceTypes: ["sandbox"] },
    "of the commonest kind": { actions: ["exec"] },
    "of the rarest kind, 1 in 100,000": { actions: ["fork"] },
    "of three kinds on a day": { ...day, actions: ["create", "pause", "destroy"] },
    "by the busiest of 100 actors, who made half": { actors: [BUSY.actor] },
    "by an actor who made 1 in 100,000": { actors: [RARE_ACTOR] },
    "by ten actors": { actors: someActors },
    "of the rarest kind by the busiest actor": { actors: [BUSY.actor], actions: ["fork"] },
    "about the busiest of 1,000 sandboxes": { resourceId: BUSY.sandbox },
    "of the rarest kind about it": { resourceId: BUSY.sandbox, actions: ["fork"] },
    "by the busiest actor about it, before the middle": { resourceId: BUSY.sandbox, actors: [BUSY.actor], to: middle },
    "by an actor who never touched it": { resourceId: BUSY.sandbox, actors: [someActors[7]!] },
  };
}

function figureOf(name: string, samples: readonly number[]): Figure {
  const p95 = percentile(samples, 0.95);
  return {
    name: `audit page of ${PAGE}: ${name}`,
    value: `${milliseconds(median(samples))} p50, ${milliseconds(p95)} p95`,
    goal: `≤ ${GOAL_MS} ms`,
    met: p95 <= GOAL_MS,
  };
}
