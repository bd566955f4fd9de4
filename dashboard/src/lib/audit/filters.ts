import type { paths } from "@warren/sdk/api";
import { SENTENCES } from "./sentences.ts";

/** Which events are shown: those of any of these resources, and of any of these actions. None = all. */
export interface AuditFilters {
  resources: string[];
  actions: string[];
  /** Id of one resource, such as a capsule; empty = all. */
  resourceId: string;
}

/** How kinds of resources are called on pages. */
const RESOURCE_WORDS: Record<string, string> = {
  sandbox: "Capsules",
  snapshot: "Snapshots",
  team: "Team",
  member: "Members",
  api_key: "Keys",
  quota: "Quota",
  user: "Accounts",
  host: "Hosts",
  webhook: "Webhooks",
  signing_key: "Signing keys",
};

/** What can be filtered by: kinds of resources, each with what can happen to it. */
export const FILTER_GROUPS: readonly { resource: string; label: string; actions: readonly string[] }[] = groupActions();

/** What the parameters of an address that filter by kind may be. */
export const FILTER_VALUES = {
  resource_type: FILTER_GROUPS.map(({ resource }) => resource),
  action: FILTER_GROUPS.flatMap(({ actions }) => actions),
};

function groupActions() {
  const groups = new Map<string, string[]>();
  for (const key of Object.keys(SENTENCES)) {
    const [resource = "", action = ""] = key.split(".");
    groups.set(resource, [...(groups.get(resource) ?? []), action]);
  }
  return [...groups].map(([resource, actions]) => ({ resource, label: RESOURCE_WORDS[resource] ?? resource, actions }));
}

export function resourceWord(resource: string): string {
  return RESOURCE_WORDS[resource] ?? resource;
}

/** An action in words: `role update`. */
export function actionWord(action: string): string {
  return action.replaceAll("_", " ");
}

/** The filters that an address names; values that are not known are left out. */
export function readFilters(query: Pick<URLSearchParams, "get" | "getAll">): AuditFilters {
  const known = (name: string, values: readonly string[]) => [
    ...new Set(
      query
        .getAll(name)
        .flatMap((value) => value.split(","))
        .filter((value) => values.includes(value)),
    ),
  ];
  const resources = known("resource_type", FILTER_VALUES.resource_type);
  const actions = known("action", FILTER_VALUES.action);
  return { resources, actions, resourceId: query.get("resource_id") ?? "" };
}

/** The same as the query of an address, empty for all events. */
export function writeFilters({ resources, actions, resourceId }: AuditFilters): string {
  const query = new URLSearchParams();
  if (resources.length > 0) query.set("resource_type", resources.join(","));
  if (actions.length > 0) query.set("action", actions.join(","));
  if (resourceId !== "") query.set("resource_id", resourceId);
  return query.size === 0 ? "" : `?${query}`;
}

/** The address of a page with these filters in the place of others; all else stays. */
export function withFilters(url: Pick<URL, "pathname" | "search">, filters: AuditFilters): string {
  const query = new URLSearchParams(url.search);
  for (const name of ["resource_type", "action", "resource_id"]) query.delete(name);
  for (const [name, value] of new URLSearchParams(writeFilters(filters))) query.set(name, value);
  return query.size === 0 ? url.pathname : `${url.pathname}?${query}`;
}

/** A list with a value added, or without it when it is there. */
export function toggle(values: readonly string[], value: string): string[] {
  return values.includes(value) ? values.filter((other) => other !== value) : [...values, value];
}

/** Parameters of the list of events. */
export type AuditQuery = NonNullable<paths["/v1/audit-logs"]["get"]["parameters"]["query"]>;

/** The same as parameters of the API. */
export function queryOf({ resources, actions, resourceId }: AuditFilters): AuditQuery {
  return {
    ...(resources.length > 0 && { resource_type: resources }),
    ...(actions.length > 0 && { action: actions }),
    ...(resourceId !== "" && { resource_id: resourceId }),
  };
}
