import { type Static, Type } from "typebox";
import { SANDBOX_ID, SANDBOX_ID_WORDS, TEMPLATE_NAME, TEMPLATE_NAME_WORDS } from "../identifiers.ts";

/**
 * Templates: what a team names and starts sandboxes from. That their routes are under `/v1/snapshots` and that one which was
 * made of a sandbox has the type `snapshot` is part of the API as its owner has named it, and programs rely on it;
 * everything else calls a template a template. A snapshot is the state of one microVM on its host, of which a template is
 * made (`host-agent/src/snapshots`).
 */

/** Request to make a template of a sandbox. */
export const CreateTemplate = Type.Object(
  {
    sandbox_id: Type.String({
      pattern: SANDBOX_ID.source,
      "x-words": SANDBOX_ID_WORDS,
      description: "Running or paused sandbox to make the template of",
    }),
    name: Type.Optional(
      Type.String({
        pattern: TEMPLATE_NAME.source,
        "x-words": TEMPLATE_NAME_WORDS,
        description: "Name of the template; a generated one when absent",
      }),
    ),
  },
  { additionalProperties: false, title: "CreateTemplate" },
);
export type CreateTemplate = Static<typeof CreateTemplate>;

export const CreateTemplateQuery = Type.Object(
  { overwrite: Type.Optional(Type.Boolean({ description: "Replace a template of this name" })) },
  { additionalProperties: false },
);

/** A template as clients see it. */
export const Template = Type.Object(
  {
    name: Type.String(),
    type: Type.Enum(["base", "snapshot"], {
      description: "`base`: an image that boots; `snapshot`: made of a sandbox, whose vCPUs and memory it fixes",
    }),
    vcpus: Type.Optional(Type.Integer({ description: "vCPUs of its sandboxes, when it fixes them" })),
    memory_mb: Type.Optional(Type.Integer({ description: "Memory of its sandboxes in MiB, when it fixes it" })),
    sandbox_id: Type.Optional(
      Type.String({ description: "Id of the sandbox that it was made of; that one may be over" }),
    ),
    size_bytes: Type.Integer({ description: "Bytes on disk: allocated blocks × 512" }),
    created_at: Type.String({ format: "date-time" }),
  },
  { title: "Template" },
);
export type Template = Static<typeof Template>;

export const ListTemplatesQuery = Type.Object(
  { type: Type.Optional(Type.Enum(["base", "snapshot"])) },
  { additionalProperties: false },
);

export const TemplateParams = Type.Object({
  name: Type.String({ pattern: TEMPLATE_NAME.source, "x-words": TEMPLATE_NAME_WORDS }),
});
