import { WarrenError } from "@warren/contracts/errors";
import type { QuotaAmounts, QuotaResource } from "@warren/contracts/rest/quotas";
import type { Db } from "../database/tables.ts";
import type { TeamStore } from "../teams/team-store.ts";
import { MIB, type QuotaStore } from "./quota-store.ts";

const NAMES: Record<QuotaResource, string> = {
  sandboxes: "sandboxes that are not paused",
  vcpus: "virtual CPUs in sandboxes that are not paused",
  memory_mb: "MiB of memory in sandboxes that are not paused",
  templates: "templates",
  disk_mb: "MiB of templates and paused sandboxes",
};

/** Admits what a team wants to use, within its limits, however many requests come at once. */
export class TeamAdmission {
  readonly #teams: TeamStore;
  readonly #quotas: QuotaStore;

  constructor(teams: TeamStore, quotas: QuotaStore) {
    this.#teams = teams;
    this.#quotas = quotas;
  }

  /**
   * Admits a sandbox that is to run: a new one, or a paused one. Call it in the transaction that then writes the row;
   * it holds back the team's other admissions until that ends. Throws `quota_exceeded`, or `no_team` when the team is
   * deleted.
   */
  async admit(transaction: Db, teamId: string, demand: { vcpus: number; memoryMb: number }): Promise<void> {
    await this.#admit(transaction, teamId, { sandboxes: 1, vcpus: demand.vcpus, memory_mb: demand.memoryMb });
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

  async #admit(transaction: Db, teamId: string, demand: Partial<QuotaAmounts>): Promise<void> {
    if (!(await this.#teams.lockLive(teamId, transaction))) {
      throw new WarrenError("no_team", "the team of this credential was deleted");
    }
    const { limits, usage } = await this.#quotas.get(teamId, transaction);
    for (const [resource, amount] of Object.entries(demand) as [QuotaResource, number][]) {
      if (usage[resource] + amount <= limits[resource]) continue;
      throw new WarrenError(
        "quota_exceeded",
        `the team uses ${usage[resource]} of at most ${limits[resource]} ${NAMES[resource]}, and this needs ` +
          `${Math.max(1, amount)} more; free some, or ask an administrator of the platform for a higher quota`,
      );
    }
  }
}
