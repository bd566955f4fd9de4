import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";

const AUTOCANNON = createRequire(import.meta.url).resolve("autocannon");

/** What a load of requests came to. */
export interface LoadResult {
  requestsPerSecond: number;
  requests: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

/** Sends requests over a number of connections for some seconds, from a process of its own. */
export async function load(
  url: string,
  headers: Record<string, string>,
  { connections, seconds }: { connections: number; seconds: number },
): Promise<LoadResult> {
  const options = ["--json", "--connections", String(connections), "--duration", String(seconds)];
  const lines = Object.entries(headers).flatMap(([name, value]) => ["--headers", `${name}: ${value}`]);
  const { stdout } = await promisify(execFile)(process.execPath, [AUTOCANNON, ...options, ...lines, url]);
  const result = JSON.parse(stdout);
  if (result.non2xx > 0 || result.errors > 0 || result["2xx"] === 0) {
    throw new Error(`${url}: ${result["2xx"]} answers, ${result.non2xx} refusals, ${result.errors} errors`);
  }
  return {
    requestsPerSecond: result["2xx"] / result.duration,
    requests: result["2xx"],
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}
