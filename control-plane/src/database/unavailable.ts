/**
 * SQLSTATE classes and codes of a server that is away (connection exception, shutdown, too many connections), that gave up
 * what took too long or was in the way of others (cancelled, idle in a transaction, deadlock), or that may not write now.
 */
const AWAY = /^(08...|57P0[1-5]|53300|57014|25P0[34]|40P01|25006)$/;
/** Errors of pg itself that have no code. */
const AWAY_MESSAGES = [
  "Connection terminated unexpectedly",
  "Connection terminated due to connection timeout",
  "timeout exceeded when trying to connect",
  "Client has encountered a connection error and is not queryable",
];

const noted = new WeakSet<object>();

/** Notes an error with which a connection to the database broke or was not made. */
export function noteDatabaseAway(error: Error): void {
  noted.add(error);
}

/** Whether an error means that the database server cannot be reached or used now, rather than that it refused a statement. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (noted.has(error)) return true;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return (
    syscall === "connect" || (typeof code === "string" && AWAY.test(code)) || AWAY_MESSAGES.includes(error.message)
  );
}
