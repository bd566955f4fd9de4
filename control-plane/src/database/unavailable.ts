/** SQLSTATE classes and codes of a server that is away: connection exception, shutdown, too many connections. */
const AWAY = /^(08...|57P0[1-3]|53300)$/;
/** Errors of pg itself that have no code. */
const AWAY_MESSAGES = [
  "Connection terminated unexpectedly",
  "Connection terminated due to connection timeout",
  "timeout exceeded when trying to connect",
  "Client has encountered a connection error and is not queryable",
];

/** Whether an error means that the database server cannot be reached, rather than that it refused a statement. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return (
    syscall === "connect" || (typeof code === "string" && AWAY.test(code)) || AWAY_MESSAGES.includes(error.message)
  );
}
