import type { ApiKeyStore } from "../api-keys/api-key-store.ts";
import { toApiKey } from "../api-keys/api-key-view.ts";
import type { SandboxReads } from "../sandboxes/sandbox-reads.ts";
import type { SandboxRow } from "../sandboxes/sandbox-store.ts";
import { toSandbox } from "../sandboxes/sandbox-view.ts";
import type { MembershipStore } from "../teams/membership-store.ts";
import type { TeamStore } from "../teams/team-store.ts";
import { toMember, toSharedTeam } from "../teams/team-view.ts";
import type { TemplateStore } from "../templates/template-store.ts";
import { toTemplate } from "../templates/template-view.ts";
import type { LoggedEvent } from "./event-log.ts";

/** Where what events are about is read. */
export interface EventResourceStores {
  sandboxes: SandboxReads;
  templates: TemplateStore;
  apiKeys: ApiKeyStore;
  memberships: MembershipStore;
  teams: TeamStore;
}

type Reader = (teamId: string, subject: string) => Promise<object | undefined>;

/** What events are about, as the API shows it, in JSON. */
export class EventResources {
  readonly #stores: EventResourceStores;
  readonly #readers: Partial<Record<LoggedEvent["type"], Reader>>;
  /** JSON of sandboxes by their rows, which those who read the same share. */
  readonly #sandboxes = new WeakMap<SandboxRow, string>();

  constructor(stores: EventResourceStores) {
    this.#stores = stores;
    const { templates, apiKeys, memberships, teams } = stores;
    this.#readers = {
      template: async (teamId, name) => ifThere(await templates.findExact(teamId, name), toTemplate),
      api_key: async (teamId, id) => ifThere(await apiKeys.find(teamId, id), toApiKey),
      member: async (teamId, userId) => ifThere(await memberships.findMember(teamId, userId), toMember),
      team: async (teamId) => ifThere(await teams.findLive(teamId), toSharedTeam),
    };
  }

  /** What each of the events is about, where it is there; each thing is read once. */
  async read(events: readonly LoggedEvent[]): Promise<(string | undefined)[]> {
    const others = new Map<string, string | undefined>();
    for (const event of events) {
      // One after the other: they change seldom, and sandboxes, which are read together, do so all the time.
      if (event.type !== "sandbox" && !others.has(keyOf(event))) others.set(keyOf(event), await this.#readOther(event));
    }
    return Promise.all(
      events.map((event) => (event.type === "sandbox" ? this.#readSandbox(event) : others.get(keyOf(event)))),
    );
  }

  async #readSandbox({ team_id, subject }: LoggedEvent): Promise<string | undefined> {
    const row = await this.#stores.sandboxes.get(team_id, subject);
    if (!row) return undefined;
    let json = this.#sandboxes.get(row);
    if (json === undefined) {
      json = JSON.stringify(toSandbox(row));
      this.#sandboxes.set(row, json);
    }
    return json;
  }

  async #readOther({ type, team_id, subject }: LoggedEvent): Promise<string | undefined> {
    return ifThere(await this.#readers[type]?.(team_id, subject), (resource) => JSON.stringify(resource));
  }
}

function ifThere<T, R>(value: T | undefined, view: (value: T) => R): R | undefined {
  return value === undefined ? undefined : view(value);
}

function keyOf({ type, team_id, subject }: LoggedEvent): string {
  return `${type} ${team_id} ${subject}`;
}
