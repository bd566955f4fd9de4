import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { NODE_FLAGS } from "@warren/server/node-flags";

const PROGRAM = join(import.meta.dirname, "load-process.ts");

/** Requests to be sent over and over. */
export interface Load {
  url: string;
  /** Taken in turn. */
  paths: string[];
  headers: Record<string, string>;
  connections: number;
  seconds: number;
}

/** What a load of requests came to. */
export interface LoadResult {
  requestsPerSecond: number;
  requests: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

/** Sends requests over a number of connections for some seconds, from a process of its own. */
export async function load(work: Load): Promise<LoadResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [...NODE_FLAGS, PROGRAM, JSON.stringify(work)]);
  const result = JSON.parse(stdout);
  if (result.non2xx > 0 || result.errors > 0 || result["2xx"] === 0) {
    throw new Error(`${work.url}: ${result["2xx"]} answers, ${result.non2xx} refusals, ${result.errors} errors`);
  }
  return {
    requestsPerSecond: result["2xx"] / result.duration,
    requests: result["2xx"],
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}
