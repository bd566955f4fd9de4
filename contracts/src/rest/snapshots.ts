import { type Static, Type } from "typebox";
import { SANDBOX_ID, SANDBOX_ID_WORDS, TEMPLATE_NAME, TEMPLATE_NAME_WORDS } from "../identifiers.ts";

/** Request to make a template of a sandbox. */
export const CreateSnapshot = Type.Object(
  {
    sandbox_id: Type.String({
      pattern: SANDBOX_ID.source,
      "x-words": SANDBOX_ID_WORDS,
      description: "Running or paused sandbox to freeze",
    }),
    name: Type.Optional(
      Type.String({
        pattern: TEMPLATE_NAME.source,
        "x-words": TEMPLATE_NAME_WORDS,
        description: "Name of the template; a generated one when absent",
      }),
    ),
  },
  { additionalProperties: false, title: "CreateSnapshot" },
);
export type CreateSnapshot = Static<typeof CreateSnapshot>;

export const CreateSnapshotQuery = Type.Object(
  { overwrite: Type.Optional(Type.Boolean({ description: "Replace a template of this name" })) },
  { additionalProperties: false },
);

/** A template as clients see it. */
export const Snapshot = Type.Object(
  {
    name: Type.String(),
    type: Type.Enum(["base", "snapshot"], {
      description: "`base`: an image that boots; `snapshot`: a frozen sandbox, whose vCPUs and memory are fixed",
    }),
    vcpus: Type.Optional(Type.Integer({ description: "Fixed number of vCPUs of a snapshot" })),
    memory_mb: Type.Optional(Type.Integer({ description: "Fixed memory of a snapshot in MiB" })),
    size_bytes: Type.Integer({ description: "Bytes on disk: allocated blocks × 512" }),
    created_at: Type.String({ format: "date-time" }),
  },
  { title: "Snapshot" },
);
export type Snapshot = Static<typeof Snapshot>;

export const ListSnapshotsQuery = Type.Object(
  { type: Type.Optional(Type.Enum(["base", "snapshot"])) },
  { additionalProperties: false },
);

export const SnapshotParams = Type.Object({
  name: Type.String({ pattern: TEMPLATE_NAME.source, "x-words": TEMPLATE_NAME_WORDS }),
});
