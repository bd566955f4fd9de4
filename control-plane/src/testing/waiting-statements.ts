import type pg from "pg";

/** Resolves once so many statements of others wait for what the transaction of a client holds. */
export async function untilWaiting(client: pg.Client, count = 1): Promise<void> {
  const waiting = "select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))";
  while (((await client.query(waiting)).rowCount ?? 0) < count);
}
