import type { Template } from "@warren/contracts/rest/templates";
import type { TemplateRow } from "./template-store.ts";

/** A template as clients see it. */
export function toTemplate(row: TemplateRow): Template {
  return {
    name: row.name,
    type: row.type,
    ...(row.type === "snapshot" && { vcpus: row.vcpus, memory_mb: row.memory_mb }),
    ...(row.source_id !== null && { sandbox_id: row.source_id }),
    size_bytes: Number(row.size_bytes),
    created_at: row.created_at.toISOString(),
  };
}
