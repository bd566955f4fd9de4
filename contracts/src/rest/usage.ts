import { type Static, Type } from "typebox";
import { LIMITS } from "../limits.ts";
import { UsageLimits } from "./usage-limits.ts";

const Day = (description: string) =>
  Type.String({ format: "date", "x-words": "a day in UTC, such as 2026-01-31", description });

/** Which use is asked for. */
export const UsageQuery = Type.Object(
  {
    from: Type.Optional(Day("First day in UTC; default: the first of the month of `to`")),
    to: Type.Optional(Day("Last day in UTC; default: today")),
    group_by: Type.Optional(
      Type.Enum(["sandbox", "template"], {
        description: `Tells the use of each as well, the ${LIMITS.usageGroups} that used most of the processors`,
      }),
    ),
    format: Type.Optional(
      Type.Enum(["json", "csv"], {
        default: "json",
        description: "`csv`: one line for each day, or for each sandbox or template with `group_by`",
      }),
    ),
  },
  { additionalProperties: false },
);
export type UsageQuery = Static<typeof UsageQuery>;

/** What `memory_mb_minutes` counts to one GiB × hour, the unit in which people are told of memory. */
export const MB_MINUTES_PER_GB_HOUR = 1024 * 60;

const amounts = {
  cpu_minutes: Type.Number({ description: "Minutes of processor time that microVMs used" }),
  memory_mb_minutes: Type.Number({
    description:
      "Memory that was reserved, MiB × minutes, 61,440 of which are one GiB × hour: all that sandboxes have while they have a microVM",
  }),
  disk_gb_hours: Type.Number({
    description: "Disk that was the sandboxes' own, GiB × hours, also while they were paused",
  }),
  egress_bytes: Type.Integer({ description: "Bytes that network cards sent, headers included" }),
};

/** What was used. */
export const UsageAmounts = Type.Object(amounts, { title: "UsageAmounts" });
export type UsageAmounts = Static<typeof UsageAmounts>;

/** What a team has used. */
export const TeamUsage = Type.Object(
  {
    from: Type.String({ format: "date" }),
    to: Type.String({ format: "date" }),
    total: UsageAmounts,
    days: Type.Array(Type.Object({ day: Type.String({ format: "date" }), ...amounts }), {
      description: "Every day of the time that was asked for, ascending, also those without use",
    }),
    sandboxes: Type.Optional(
      Type.Array(
        Type.Object({
          sandbox_id: Type.String(),
          name: Type.Optional(Type.String()),
          template: Type.String(),
          ...amounts,
        }),
        { description: "With `group_by=sandbox`" },
      ),
    ),
    templates: Type.Optional(
      Type.Array(Type.Object({ template: Type.String(), ...amounts }), { description: "With `group_by=template`" }),
    ),
    limits: Type.Optional(UsageLimits),
  },
  { title: "TeamUsage" },
);
export type TeamUsage = Static<typeof TeamUsage>;
