import { setTimeout as delay } from "node:timers/promises";
import type { HostStatus } from "@warren/contracts/rest/hosts";
import { SANDBOX_STATUSES } from "@warren/contracts/rest/sandboxes";
import type { ServerMetrics } from "@warren/server/server-metrics";
import type { Database } from "../database/database.ts";
import { FINAL } from "../database/live-sandboxes.ts";
import type { Db } from "../database/tables.ts";
import type { Logger } from "../logging.ts";

/** Milliseconds for which a reader of the metrics waits for the database. */
const LIMIT_MS = 5_000;

/** Statuses of sandboxes that are not over: the rows of others are history. */
const PRESENT = SANDBOX_STATUSES.filter((status) => !FINAL.includes(status));
const HOST_STATUSES: HostStatus[] = ["pending", "online", "unreachable", "offline", "draining"];

/** Measures the connections to the database, and what it holds. */
export function measureDatabase(
  metrics: ServerMetrics,
  { database, db }: { database: Database; db: Db },
  log: Logger,
): void {
  const connections = metrics.gauge({
    name: "database_connections",
    help: "Connections to the database: busy, or idle",
    labels: ["state"],
  });
  const waiting = metrics.gauge({ name: "database_waiting", help: "Who waits for a connection to the database" });
  const up = metrics.gauge({ name: "database_up", help: "1 when the database answered this reading, 0 when not" });
  const sandboxes = metrics.gauge({
    name: "sandboxes",
    help: "Sandboxes of all teams that are not over, by status",
    labels: ["status"],
  });
  const hosts = metrics.gauge({ name: "hosts", help: "Hosts, by status", labels: ["status"] });

  const count = async () => {
    const [bySandbox, byHost] = await Promise.all([
      db
        .selectFrom("sandboxes")
        .select(({ fn }) => ["status", fn.countAll<number>().as("count")])
        .where("status", "in", PRESENT)
        .groupBy("status")
        .execute(),
      db
        .selectFrom("hosts")
        .select(({ fn }) => ["status", fn.countAll<number>().as("count")])
        .groupBy("status")
        .execute(),
    ]);
    // A status that nobody has is one of none, rather than one of which nothing is known.
    for (const status of PRESENT) sandboxes.set({ status }, 0);
    for (const row of bySandbox) sandboxes.set({ status: row.status }, row.count);
    for (const status of HOST_STATUSES) hosts.set({ status }, 0);
    for (const row of byHost) hosts.set({ status: row.status }, row.count);
  };

  // A database that is silent is asked once, however often the metrics are read meanwhile.
  let counting: Promise<boolean> | undefined;
  metrics.beforeReading(async () => {
    counting ??= count()
      .then(
        () => true,
        (error: unknown) => {
          log.warn({ err: error }, "the database could not be measured");
          return false;
        },
      )
      .finally(() => {
        counting = undefined;
      });
    const limit = new AbortController();
    const late = delay(LIMIT_MS, false, { signal: limit.signal }).catch(() => false);
    const answered = await Promise.race([counting, late]);
    limit.abort();
    up.set(answered ? 1 : 0);
    if (!answered) {
      sandboxes.reset();
      hosts.reset();
    }
    const { open, idle, waiting: queue } = database.connections();
    connections.set({ state: "busy" }, open - idle);
    connections.set({ state: "idle" }, idle);
    waiting.set(queue);
  });
}
