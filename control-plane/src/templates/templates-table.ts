import type { ColumnType, Generated } from "kysely";

/** Table `templates`. */
export interface TemplatesTable {
  /** Another for each template that has had the name. */
  id: Generated<string>;
  name: string;
  /** Owner; BUILT_IN_TEAM for built-in templates. */
  team_id: string;
  /** `base`: an image to boot; `snapshot`: made of a sandbox, whose vCPUs and memory it fixes. */
  type: Generated<"base" | "snapshot">;
  vcpus: Generated<number>;
  memory_mb: Generated<number>;
  size_bytes: Generated<number>;
  /** Id of its snapshot on every host that has it; null for built-in templates, and until a host has told it. */
  snapshot_id: string | null;
  /** What it is made of, with the checksums of all files, in words of the host agent; null until another host is to get it. */
  bundle: ColumnType<string | null, string | null | undefined, string | null>;
  /** Sandbox that it was made of; null for base images, and where it is not known. */
  source_id: string | null;
  created_at: Generated<Date>;
}

declare module "../database/tables.ts" {
  interface Tables {
    templates: TemplatesTable;
  }
}
