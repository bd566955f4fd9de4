import { appendFile, mkdir, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { removeUnfinishedWrites, writeFileDurably } from "@warren/server/durable-file";
import type { Logger } from "pino";
import { Ledger, type LedgerState, type MetricPoint } from "./ledger.ts";

/** Version of the files. */
const VERSION = 2;

/**
 * The ledger of a data directory as it is kept, in `metrics`: accounts in one file that is replaced with each round, points in
 * one that grows until a control plane has taken them. A loss of power may cost points, and no account.
 */
export class LedgerFiles {
  readonly #directory: string;
  readonly #log: Logger;
  /** Points in the file, some of which may have been taken. */
  #written = 0;
  /** Round of the last point in the file. */
  #lastRound = 0;

  constructor(dataDirectory: string, log: Logger) {
    this.#directory = join(dataDirectory, "metrics");
    this.#log = log;
  }

  get #accounts(): string {
    return join(this.#directory, "accounts.json");
  }

  get #points(): string {
    return join(this.#directory, "points.jsonl");
  }

  /** Reads what was kept. What cannot be read is lost, which is logged: sandboxes are worth more than what is counted of them. */
  async open(): Promise<Ledger> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await removeUnfinishedWrites(this.#directory);
    const state = await this.#readState();
    const points = state ? await this.#readPoints() : [];
    this.#written = Number.POSITIVE_INFINITY;
    return new Ledger(state, points);
  }

  /** Keeps a ledger as it is at this moment. */
  async write(ledger: Ledger): Promise<void> {
    const text = JSON.stringify({ version: VERSION, ...ledger.state });
    await writeFileDurably(this.#accounts, `${text}\n`);
    await this.#writePoints(ledger.points);
  }

  async #writePoints(points: readonly MetricPoint[]): Promise<void> {
    if (points.length === 0) {
      if (this.#written > 0) await truncate(this.#points).catch(ignoreMissing(undefined));
      this.#written = 0;
      return;
    }
    const added = points.filter(({ round }) => round > this.#lastRound);
    this.#lastRound = points.at(-1)!.round;
    if (this.#written + added.length <= 2 * points.length) {
      await appendFile(this.#points, lines(added), { mode: 0o600 });
      this.#written += added.length;
    } else {
      await writeFileDurably(this.#points, lines(points));
      this.#written = points.length;
    }
  }

  async #readState(): Promise<LedgerState | undefined> {
    try {
      const { version, ...state } = JSON.parse(await readFile(this.#accounts, "utf8"));
      if (version !== VERSION) throw new Error(`it has version ${String(version)}`);
      return state;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      this.#log.error({ err: error }, "what sandboxes have used cannot be read; it is counted anew");
      return undefined;
    }
  }

  async #readPoints(): Promise<MetricPoint[]> {
    const text = await readFile(this.#points, "utf8").catch(ignoreMissing(""));
    const points: MetricPoint[] = [];
    for (const line of text.split("\n")) {
      // The last one may have been cut off.
      if (line !== "") points.push(...parsed(line));
    }
    return points.sort((one, other) => one.round - other.round);
  }
}

function lines(points: readonly MetricPoint[]): string {
  return points.map((point) => `${JSON.stringify(point)}\n`).join("");
}

function parsed(line: string): MetricPoint[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

function ignoreMissing<T>(fallback: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return fallback;
    throw error;
  };
}
