import { text } from "node:stream/consumers";
import type { TeamUsage } from "@warren/contracts/rest/usage";
import type { Transport } from "./transport.ts";

/** Which use is asked for. */
export interface UsageOptions {
  /** First day in UTC, such as "2026-01-01"; default: the first of the month of `to`. */
  from?: string;
  /** Last day in UTC; default: today. */
  to?: string;
  /** Tells the use of each of these as well. */
  groupBy?: "sandbox" | "template";
  signal?: AbortSignal;
}

/** What the caller's team has used. */
export class Usage {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Day by day, and in all. */
  get(options: UsageOptions = {}): Promise<TeamUsage> {
    return this.#transport.json({ method: "GET", path: pathOf(options, {}), safe: true, signal: options.signal });
  }

  /** The same as CSV: a line for each day, or for each of `groupBy`. */
  async csv(options: UsageOptions = {}): Promise<string> {
    const path = pathOf(options, { format: "csv" });
    return text(await this.#transport.open({ method: "GET", path, safe: true, signal: options.signal }));
  }
}

function pathOf({ from, to, groupBy }: UsageOptions, format: { format?: string }): string {
  const query = new URLSearchParams({
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(groupBy === undefined ? {} : { group_by: groupBy }),
    ...format,
  });
  return `/v1/usage${query.size > 0 ? `?${query}` : ""}`;
}
