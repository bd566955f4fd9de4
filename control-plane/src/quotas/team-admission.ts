import { WarrenError } from "@warren/contracts/errors";
import type { QuotaAmounts, QuotaResource } from "@warren/contracts/rest/quotas";
import type { TeamEvents } from "../audit/team-events.ts";
import type { Caller } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { TeamStore } from "../teams/team-store.ts";
import { type CurrentQuota, MIB, type QuotaStore } from "./quota-store.ts";

const NAMES: Record<QuotaResource, string> = {
  sandboxes: "sandboxes that are not paused",
  vcpus: "virtual CPUs in sandboxes that are not paused",
  memory_mb: "MiB of memory in sandboxes that are not paused",
  templates: "templates",
  disk_mb: "MiB of templates and paused sandboxes",
};

/** A refusal, with the figures that it rests on. */
class QuotaExceeded extends WarrenError {
  readonly figures: { quota: string; used: number; limit: number; needed?: number };

  constructor(figures: QuotaExceeded["figures"], message: string) {
    super("quota_exceeded", message);
    this.figures = figures;
  }
}

/** What teams may use in a month. */
export interface UsageAllowance {
  /** The limit that a team has reached, and that it is in words; undefined when there is none. */
  reached(
    teamId: string,
    transaction: Db,
  ): Promise<{ amount: string; used: number; limit: number; message: string } | undefined>;
}

/** What admission needs. */
export interface TeamAdmissionParts {
  db: Db;
  teams: TeamStore;
  quotas: QuotaStore;
  usage: UsageAllowance;
  audit: TeamEvents;
}

/** Admits what a team wants to use, within its limits, however many requests come at once. */
export class TeamAdmission {
  readonly #parts: TeamAdmissionParts;

  constructor(parts: TeamAdmissionParts) {
    this.#parts = parts;
  }

  /**
   * Runs a change in a transaction in which `admit` or `admitTemplate` admits what it takes. A refusal undoes the change and
   * is recorded.
   */
  async within<T>(caller: Caller, change: (transaction: Db) => Promise<T>): Promise<T> {
    const { db, audit } = this.#parts;
    try {
      return await transact(db, change);
    } catch (error) {
      if (error instanceof QuotaExceeded) await audit.quotaRefused(caller, error.figures);
      throw error;
    }
  }

  /**
   * Admits a sandbox that is to run: a new one, or a paused one. Call it in the transaction of `within` that then writes the row;
   * it holds back the team's other admissions until that ends. Throws `quota_exceeded`, also when the team has used all that
   * it may in this month, or `no_team` when the team is deleted.
   */
  async admit(transaction: Db, teamId: string, demand: { vcpus: number; memoryMb: number }): Promise<void> {
    const { isUsageLimited } = await this.#admit(transaction, teamId, {
      sandboxes: 1,
      vcpus: demand.vcpus,
      memory_mb: demand.memoryMb,
    });
    const reached = isUsageLimited && (await this.#parts.usage.reached(teamId, transaction));
    if (!reached) return;
    const { amount: quota, used, limit, message } = reached;
    throw new QuotaExceeded({ quota, used, limit }, message);
  }

  /**
   * As `admit`, for a template. Its size is known only when it is made, so a team must be below its limit of disk.
   * `replacedBytes` is the size of the template that it takes the place of.
   */
  async admitTemplate(transaction: Db, teamId: string, replacedBytes?: number): Promise<void> {
    const demand =
      replacedBytes === undefined ? { templates: 1, disk_mb: 1 } : { disk_mb: 1 - Math.floor(replacedBytes / MIB) };
    await this.#admit(transaction, teamId, demand);
  }

  async #admit(transaction: Db, teamId: string, demand: Partial<QuotaAmounts>): Promise<CurrentQuota> {
    const { teams, quotas } = this.#parts;
    if (!(await teams.lockLive(teamId, transaction))) {
      throw new WarrenError("no_team", "the team of this credential was deleted");
    }
    const current = await quotas.current(teamId, transaction);
    const { limits, usage } = current;
    for (const [resource, amount] of Object.entries(demand) as [QuotaResource, number][]) {
      const [used, limit] = [usage[resource], limits[resource]];
      if (used + amount <= limit) continue;
      const needed = Math.max(1, amount);
      const message =
        `the team uses ${used} of at most ${limit} ${NAMES[resource]}, and this needs ${needed} more; free some, or ask an ` +
        "administrator of the platform for a higher quota";
      throw new QuotaExceeded({ quota: resource, used, limit, needed }, message);
    }
    return current;
  }
}
