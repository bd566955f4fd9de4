import type { UsageLimits } from "@warren/contracts/rest/usage-limits";
import type { TeamEvents } from "../../audit/team-events.ts";
import type { Db } from "../../database/tables.ts";
import { transact } from "../../database/transact.ts";
import type { DetachedOperations } from "../../detached-operations.ts";
import type { Logger } from "../../logging.ts";
import type { UsageAllowance } from "./usage-allowance.ts";
import type { UsageLimitStore } from "./usage-limit-store.ts";
import { crossingsOf } from "./usage-standing.ts";

/** Sandboxes of one host that are paused at the same time. */
const PARALLEL_PAUSES = 4;

/** A sandbox that runs. */
interface RunningSandbox {
  id: string;
  team_id: string;
  host_id: string | null;
}

/** The sandboxes that are paused. */
export interface LimitedSandboxes {
  /** Those of some teams that run. */
  listRunning(teamIds: string[]): Promise<RunningSandbox[]>;
  /** Pauses one since its team has reached a limit; `message` says which. */
  pauseAtLimit(sandbox: RunningSandbox, message: string): Promise<unknown>;
}

export interface UsageLimiterParts {
  db: Db;
  limits: UsageLimitStore;
  allowance: UsageAllowance;
  sandboxes: LimitedSandboxes;
  operations: DetachedOperations;
  audit: TeamEvents;
  log: Logger;
}

/** Acts on what teams have used in this month: tells them of warnings and limits, and pauses their sandboxes at a limit. */
export class UsageLimiter {
  readonly #parts: UsageLimiterParts;
  /** Hosts whose sandboxes are being paused. */
  readonly #hosts = new Set<string>();

  constructor(parts: UsageLimiterParts) {
    this.#parts = parts;
  }

  /**
   * Looks at all teams for which something is set, by one query. Called by one control plane at a time, after what was used
   * has been counted. Resolves once pauses have begun, which go on until `signal` is aborted; one that fails is tried again at
   * the next call.
   */
  async check(signal: AbortSignal): Promise<void> {
    const { limits, sandboxes, log } = this.#parts;
    const reached = [...(await limits.list(Date.now()))].filter(([, { state }]) => state !== "ok");
    // Whoever cannot be told is told at the next call; the limit holds.
    await this.#tell(reached).catch((error: unknown) =>
      log.error({ err: error }, "teams could not be told of their use"),
    );
    const exhausted = reached.filter(([, { state }]) => state === "reached").map(([teamId]) => teamId);
    if (exhausted.length === 0) return;
    const byHost = Map.groupBy(await sandboxes.listRunning(exhausted), ({ host_id }) => host_id);
    for (const [hostId, running] of byHost) {
      if (hostId !== null && !this.#hosts.has(hostId)) this.#pauseOn(hostId, running, signal);
    }
  }

  /** Tells once in a month of each warning and each limit. Where there is nothing new, one statement finds that. */
  async #tell(reached: [teamId: string, UsageLimits][]): Promise<void> {
    const { db, limits, audit } = this.#parts;
    const month = reached[0]?.[1];
    if (!month) return;
    const crossings = reached.flatMap(([team_id, standing]) =>
      crossingsOf(standing).map((crossing) => ({ ...crossing, team_id })),
    );
    const unnoted = await limits.unnoted(month, crossings);
    if (unnoted.length === 0) return;
    await transact(db, async (transaction) => {
      const noted = await limits.note(month, unnoted, transaction);
      const about = { month: month.from.slice(0, 7) };
      await audit.usageCrossed(
        transaction,
        noted.map((crossing) => ({ ...crossing, ...about })),
      );
    });
  }

  /** Begins to pause sandboxes of one host. */
  #pauseOn(hostId: string, running: RunningSandbox[], signal: AbortSignal): void {
    const { operations } = this.#parts;
    this.#hosts.add(hostId);
    const next = async (): Promise<void> => {
      for (let sandbox = running.pop(); sandbox && !signal.aborted; sandbox = running.pop()) await this.#pause(sandbox);
    };
    const all = Promise.all(Array.from({ length: PARALLEL_PAUSES }, next));
    void operations.track(all).finally(() => this.#hosts.delete(hostId));
  }

  async #pause(sandbox: RunningSandbox): Promise<void> {
    const { allowance, sandboxes, log } = this.#parts;
    try {
      // The limit may have been raised while others were paused.
      const reached = await allowance.reached(sandbox.team_id);
      if (reached) await sandboxes.pauseAtLimit(sandbox, reached.message);
    } catch (error) {
      log.warn(
        { err: error, sandbox: sandbox.id, team: sandbox.team_id },
        "a sandbox of a team that has reached a limit could not be paused yet",
      );
    }
  }
}
