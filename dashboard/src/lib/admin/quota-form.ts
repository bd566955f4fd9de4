import type { Schemas } from "#lib/api/client.ts";

type Limits = Schemas["TeamQuota"]["limits"];
export type Resource = keyof Limits;

/** What a team can be limited in, as it is asked for. */
export const RESOURCES: readonly { key: Resource; label: string }[] = [
  { key: "sandboxes", label: "Capsules that are not paused" },
  { key: "vcpus", label: "Their vCPUs" },
  { key: "memory_mb", label: "Their memory, MiB" },
  { key: "templates", label: "Snapshots" },
  { key: "disk_mb", label: "Disk of snapshots and paused capsules, MiB" },
];

/** The highest limit that the API takes. */
const MOST = 1_000_000_000;

/** What is wrong with a limit as it was typed; empty text stands for the server's default. */
export function limitProblem(text: string): string | undefined {
  const typed = text.trim();
  if (typed === "" || (/^\d{1,10}$/.test(typed) && Number(typed) <= MOST)) return undefined;
  return "A whole number of at most 1,000,000,000, or nothing for the server's default";
}

/** The request for what was changed; undefined when nothing was. */
export function changedLimits(
  before: Limits,
  typed: Record<Resource, string>,
): Partial<Record<Resource, number | null>> | undefined {
  const changed = RESOURCES.filter(({ key }) => typed[key].trim() !== String(before[key])).map(({ key }) => {
    const text = typed[key].trim();
    return [key, text === "" ? null : Number(text)] as const;
  });
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}
