import type { EventType } from "@warren/contracts/rest/events";
import type { ApiKeyStore } from "../api-keys/api-key-store.ts";
import { toApiKey } from "../api-keys/api-key-view.ts";
import { PLATFORM } from "../audit/audit-event.ts";
import { toHost } from "../host-registry/host-view.ts";
import type { RegistryStore } from "../host-registry/registry-store.ts";
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
  hosts: RegistryStore;
}

/** What was read, as the API shows it, by what events say of it. */
type Found = Map<string, object>;

/** What events are about, as the API shows it, in JSON. */
export class EventResources {
  readonly #stores: EventResourceStores;
  /** JSON of sandboxes by their rows, which those who read the same share. */
  readonly #sandboxes = new WeakMap<SandboxRow, string>();

  constructor(stores: EventResourceStores) {
    this.#stores = stores;
  }

  /** What each of the events is about, where it is there; things of one type are read together. */
  async read(events: readonly LoggedEvent[]): Promise<(string | undefined)[]> {
    const byType = Map.groupBy(events, ({ type }) => type);
    const found: Found = new Map();
    await this.#readTemplates(byType.get("template"), found);
    await this.#readApiKeys(byType.get("api_key"), found);
    await this.#readMembers(byType.get("member"), found);
    await this.#readTeams(byType.get("team"), found);
    await this.#readHosts(byType.get("host"), found);
    return Promise.all(
      events.map((event) => {
        if (event.type === "sandbox") return this.#readSandbox(event);
        const resource = found.get(keyOf(event.type, event.team_id, event.subject));
        return resource && JSON.stringify(resource);
      }),
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

  async #readTemplates(events: LoggedEvent[] | undefined, found: Found): Promise<void> {
    if (!events) return;
    const rows = await this.#stores.templates.findEach(events.map(({ team_id, subject }) => [team_id, subject]));
    for (const row of rows) found.set(keyOf("template", row.team_id, row.name), toTemplate(row));
  }

  async #readApiKeys(events: LoggedEvent[] | undefined, found: Found): Promise<void> {
    if (!events) return;
    const rows = await this.#stores.apiKeys.findEach(events.map(({ subject }) => subject));
    for (const row of rows) found.set(keyOf("api_key", row.team_id, row.id), toApiKey(row));
  }

  async #readMembers(events: LoggedEvent[] | undefined, found: Found): Promise<void> {
    if (!events) return;
    const rows = await this.#stores.memberships.findEach(events.map(({ team_id, subject }) => [team_id, subject]));
    for (const row of rows) found.set(keyOf("member", row.team_id, row.user_id), toMember(row));
  }

  async #readTeams(events: LoggedEvent[] | undefined, found: Found): Promise<void> {
    if (!events) return;
    const rows = await this.#stores.teams.findEach(events.map(({ team_id }) => team_id));
    for (const row of rows) found.set(keyOf("team", row.id, row.id), toSharedTeam(row));
  }

  async #readHosts(events: LoggedEvent[] | undefined, found: Found): Promise<void> {
    if (!events) return;
    const rows = new Map(
      (await this.#stores.hosts.findEach(events.map(({ subject }) => subject))).map((row) => [row.id, row]),
    );
    for (const { team_id, subject } of events) {
      const row = rows.get(subject);
      // A host that now is another team's is that team's alone.
      if (row && (row.team_id ?? PLATFORM) === team_id) found.set(keyOf("host", team_id, subject), toHost(row));
    }
  }
}

function keyOf(type: EventType, teamId: string, subject: string): string {
  return `${type} ${teamId} ${subject}`;
}
