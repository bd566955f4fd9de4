import { LIMITS } from "@warren/contracts/limits";
import { QUOTA_RESOURCES, type QuotaAmounts, type QuotaResource } from "@warren/contracts/rest/quotas";

/** What a team may use unless the settings or its own quota say otherwise. */
export const DEFAULT_QUOTA: QuotaAmounts = {
  sandboxes: LIMITS.sandboxesPerTeam,
  vcpus: 4 * LIMITS.sandboxesPerTeam,
  memory_mb: 4096 * LIMITS.sandboxesPerTeam,
  templates: 100,
  disk_mb: 1024 * 1024,
};

/** Reads limits such as `sandboxes=20,memory_mb=65536`; what is not named keeps its default. */
export function parseTeamQuota(text: string): QuotaAmounts {
  const quota = { ...DEFAULT_QUOTA };
  for (const part of text.split(",")) {
    const [name = "", amount = "", ...rest] = part.split("=").map((side) => side.trim());
    const resource = QUOTA_RESOURCES.find((known): known is QuotaResource => known === name);
    if (!resource || rest.length > 0 || !/^\d{1,9}$/.test(amount)) {
      throw new Error(`"${part.trim()}" is not one of ${QUOTA_RESOURCES.join(", ")} with a number, as in sandboxes=20`);
    }
    quota[resource] = Number(amount);
  }
  return quota;
}
