import { type Static, Type } from "typebox";
import { LIMITS } from "../limits.ts";

/** What a team may be limited in by the month, in the units of `GET /v1/usage`. */
export const LIMITED_AMOUNTS = ["cpu_minutes", "memory_mb_minutes", "egress_bytes"] as const;
export type LimitedAmount = (typeof LIMITED_AMOUNTS)[number];

const DESCRIPTIONS: Record<LimitedAmount, string> = {
  cpu_minutes: "Minutes of processor time in a month",
  memory_mb_minutes: "Memory that is reserved in a month, MiB × minutes",
  egress_bytes: "Bytes that network cards send in a month",
};

/** Where use stands: below everything that is set, at its warning, or at its limit. */
export const USAGE_STATES = ["ok", "warning", "reached"] as const;
export type UsageState = (typeof USAGE_STATES)[number];

const Quantity = (description: string) => Type.Integer({ minimum: 0, maximum: LIMITS.usageAmount, description });

const State = Type.Enum([...USAGE_STATES], {
  description:
    "`warning`: the warning is reached; `reached`: the limit is, so the team's sandboxes are paused and none starts until " +
    "the month ends or the limit is raised",
});

const limitOf = (amount: LimitedAmount) =>
  Type.Object(
    {
      used: Type.Number({ minimum: 0, description: `${DESCRIPTIONS[amount]}: what was used until now` }),
      warning: Type.Optional(Quantity("From how much on members are warned; absent: never")),
      limit: Type.Optional(Quantity("How much may be used; absent: any amount")),
      state: State,
    },
    { description: DESCRIPTIONS[amount] },
  );

/** What a team may use in this month, and what it has used. */
export const UsageLimits = Type.Object(
  {
    from: Type.String({ format: "date", description: "First day of this month in UTC" }),
    to: Type.String({ format: "date", description: "Last day of this month" }),
    ends_at: Type.String({ format: "date-time", description: "When the next month begins, with nothing used" }),
    state: Type.Enum([...USAGE_STATES], { description: "The worst of all states" }),
    cpu_minutes: limitOf("cpu_minutes"),
    memory_mb_minutes: limitOf("memory_mb_minutes"),
    egress_bytes: limitOf("egress_bytes"),
  },
  {
    title: "UsageLimits",
    description:
      "What the team may use in this month, whatever time was asked for; among what a team has used only where a warning or " +
      "limit is set",
  },
);
export type UsageLimits = Static<typeof UsageLimits>;

const changeOf = (amount: LimitedAmount) =>
  Type.Optional(
    Type.Object(
      {
        warning: Type.Optional(
          Type.Union([
            Quantity("From how much on members are warned, at most the limit"),
            Type.Null({ description: "Never" }),
          ]),
        ),
        limit: Type.Optional(
          Type.Union([
            Quantity("How much may be used: then sandboxes are paused and none starts"),
            Type.Null({ description: "Any amount" }),
          ]),
        ),
      },
      { additionalProperties: false, minProperties: 1, description: DESCRIPTIONS[amount] },
    ),
  );

/** Request to set what a team may use in each month. What is not named stays as it is. */
export const SetUsageLimits = Type.Object(
  {
    cpu_minutes: changeOf("cpu_minutes"),
    memory_mb_minutes: changeOf("memory_mb_minutes"),
    egress_bytes: changeOf("egress_bytes"),
  },
  { additionalProperties: false, minProperties: 1, title: "SetUsageLimits" },
);
export type SetUsageLimits = Static<typeof SetUsageLimits>;
