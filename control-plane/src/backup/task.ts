import type { Config } from "../config.ts";
import type { Logger } from "../logging.ts";

/** What a task on the database works with. */
export interface Task {
  config: Pick<Config, "dataDir" | "cacheDir" | "databaseUrl" | "secretKeys" | "secretKeyFile">;
  /** Version of this Warren. */
  version: string;
  log: Logger;
  /** Told how it goes; `fraction` is from 0 to 1. */
  progress: (step: string, detail?: string, fraction?: number) => void;
  /** Ends it; what it was to change is then as before. */
  signal: AbortSignal;
}

/** The same pieces, until a task is to end. */
export async function* endingWith(pieces: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    signal.throwIfAborted();
    yield piece;
  }
}

/** Tells of tables as one step. */
export function tableProgress({ progress }: Pick<Task, "progress">, step: string) {
  return (table: string, index: number, count: number) => progress(step, table, index / count);
}
