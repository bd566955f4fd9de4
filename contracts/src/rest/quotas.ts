import { type Static, Type } from "typebox";

/** What a team may use at once. */
export const QUOTA_RESOURCES = ["sandboxes", "vcpus", "memory_mb", "templates", "disk_mb"] as const;
export type QuotaResource = (typeof QUOTA_RESOURCES)[number];

const DESCRIPTIONS: Record<QuotaResource, string> = {
  sandboxes: "Sandboxes that exist and are not paused",
  vcpus: "Virtual CPUs of those sandboxes together",
  memory_mb: "MiB of memory of those sandboxes together",
  templates: "Templates",
  disk_mb: "MiB stored for templates and paused sandboxes",
};

const amounts = (description: (resource: QuotaResource) => string) =>
  Object.fromEntries(
    QUOTA_RESOURCES.map((resource) => [
      resource,
      Type.Integer({ minimum: 0, maximum: 1_000_000_000, description: description(resource) }),
    ]),
  ) as Record<QuotaResource, ReturnType<typeof Type.Integer>>;

/** Quantities of all resources. */
export const QuotaAmounts = Type.Object(amounts((resource) => DESCRIPTIONS[resource]));
export type QuotaAmounts = Record<QuotaResource, number>;

/** What a team may use and what it uses. */
export const TeamQuota = Type.Object({ limits: QuotaAmounts, usage: QuotaAmounts }, { title: "TeamQuota" });
export type TeamQuota = Static<typeof TeamQuota>;

/** Request to set limits of one team. */
export const SetTeamQuota = Type.Object(
  Object.fromEntries(
    QUOTA_RESOURCES.map((resource) => [
      resource,
      Type.Optional(
        Type.Union([Type.Integer({ minimum: 0, maximum: 1_000_000_000 }), Type.Null()], {
          description: `${DESCRIPTIONS[resource]}; null = the server's default`,
        }),
      ),
    ]),
  ),
  { additionalProperties: false, minProperties: 1, title: "SetTeamQuota" },
);
export type SetTeamQuota = Partial<Record<QuotaResource, number | null>>;
