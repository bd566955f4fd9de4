import { type Static, Type } from "typebox";
import { SANDBOX_ID, SANDBOX_ID_WORDS, wireIdPattern } from "../identifiers.ts";
import { LIMITS } from "../limits.ts";
import { SANDBOX_STATUSES } from "./sandboxes.ts";

export const FamilyQuery = Type.Object(
  {
    ended: Type.Optional(
      Type.Boolean({
        description: `Tells also of the newest ${LIMITS.endedSandboxes} sandboxes that are over and the newest ${LIMITS.endedSandboxes} templates that are gone, whether or not anything came of them`,
      }),
    ),
    sandbox_id: Type.Optional(
      Type.String({
        pattern: SANDBOX_ID.source,
        "x-words": SANDBOX_ID_WORDS,
        description: "A sandbox that is to be in the tree though it is over",
      }),
    ),
  },
  { additionalProperties: false },
);
export type FamilyQuery = Static<typeof FamilyQuery>;

const Timestamp = Type.String({ format: "date-time" });

const fields = {
  parent: Type.Optional(
    Type.String({ description: "Id of what it was made of; absent where that is nothing, or not known" }),
  ),
  created_at: Timestamp,
  ended_at: Type.Optional(Timestamp),
};

/** A template or sandbox in the tree, with what it was made of. */
export const FamilyNode = Type.Union(
  [
    Type.Object({
      kind: Type.Literal("template"),
      id: Type.String({ pattern: wireIdPattern("tpl") }),
      ...fields,
      name: Type.String(),
      type: Type.Enum(["base", "snapshot"]),
      size_bytes: Type.Optional(Type.Integer({ description: "Bytes on disk, while it is there" })),
    }),
    Type.Object({
      kind: Type.Literal("sandbox"),
      id: Type.String({ pattern: SANDBOX_ID.source }),
      ...fields,
      name: Type.Optional(Type.String()),
      status: Type.Enum([...SANDBOX_STATUSES]),
      template: Type.String({ description: "Name that its template had" }),
      disk_bytes: Type.Integer({ description: "Bytes on disk that it took when it was paused last" }),
    }),
  ],
  {
    title: "FamilyNode",
    description: "`ended_at`: it is over, deleted, or replaced by another template of its name",
  },
);
export type FamilyNode = Static<typeof FamilyNode>;

/** What came of what in a team. */
export const Family = Type.Object(
  {
    nodes: Type.Array(FamilyNode, { description: "The oldest first" }),
    complete: Type.Boolean({
      description: `Whether all is told: of more than ${LIMITS.familyNodes} the newest are, with what they were made of as far as it fits`,
    }),
  },
  { title: "Family" },
);
export type Family = Static<typeof Family>;
