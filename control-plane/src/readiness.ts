import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import type { WarrenError } from "@warren/contracts/errors";

/** What a supervisor reads from the readiness descriptor: one line of JSON. */
export type Readiness = { ready: true; url: string } | { ready: false; error: { code: string; message: string } };

/** Writes the readiness line to a descriptor and closes it; does nothing without one. */
export async function reportReadiness(fd: number | undefined, readiness: Readiness): Promise<void> {
  if (fd === undefined) return;
  const stream = createWriteStream("", { fd });
  stream.end(`${JSON.stringify(readiness)}\n`);
  await finished(stream);
}

/** The readiness line of a server that cannot start. */
export function notReady(error: WarrenError): Readiness {
  return { ready: false, error: { code: error.code, message: error.message } };
}
