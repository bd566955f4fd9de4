import { printableLine } from "./printable.ts";

/** Names of pino's levels. */
const LEVELS: Record<number, string> = { 10: "trace", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal" };

/** A line of a server's log as people read it: time, server, level, message, and the fields that explain it. */
export function logLine(server: string, line: string): string {
  return printableLine(readable(server, line));
}

function readable(server: string, line: string): string {
  let entry: Record<string, unknown> | null;
  try {
    entry = JSON.parse(line);
  } catch {
    // What a runtime prints by itself is no JSON.
    return `${server}: ${line}`;
  }
  const when = new Date((entry?.time ?? Number.NaN) as number | string);
  if (Number.isNaN(when.getTime())) return `${server}: ${line}`;
  const { time, level, msg, err, pid, hostname, name, part, ...fields } = entry!;
  const clock = when.toISOString().slice(11, 23);
  const error = typeof err === "object" && err !== null && "message" in err ? ` ${err.message}` : "";
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `${clock} ${server} ${LEVELS[level as number] ?? level} ${msg ?? ""}${error}${rest.join("")}`;
}

/** Whether a line of a server's log tells of a failure: a level of error or above, or text that no logger wrote. */
export function tellsOfFailure(line: string): boolean {
  try {
    const entry: { level?: unknown } | null = JSON.parse(line);
    return typeof entry?.level !== "number" || entry.level >= 50;
  } catch {
    return true;
  }
}
