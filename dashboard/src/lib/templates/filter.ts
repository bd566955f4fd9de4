import type { Schemas } from "#lib/api/client.ts";

type Template = Pick<Schemas["Template"], "name" | "type">;

/** Templates of a type, or of all, that have a text in their names, in capitals or not. */
export function filterTemplates<T extends Template>(
  templates: readonly T[],
  { type, text }: { type: T["type"] | "all"; text: string },
): T[] {
  const wanted = text.trim().toLowerCase();
  return templates.filter(
    (template) => (type === "all" || template.type === type) && template.name.toLowerCase().includes(wanted),
  );
}
