import type { ApiKeyStore } from "../api-keys/api-key-store.ts";
import { EventFeed } from "../events/event-feed.ts";
import { EventLog } from "../events/event-log.ts";
import { EventResources } from "../events/event-resources.ts";
import { EventRetention } from "../events/event-retention.ts";
import { EventWaker } from "../events/event-waker.ts";
import { RegistryStore } from "../host-registry/registry-store.ts";
import { MembershipStore } from "../teams/membership-store.ts";
import type { TeamStore } from "../teams/team-store.ts";
import type { Foundation } from "./foundation.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** Wires the streams of events together; they end when their server does. */
export function createEvents(
  { config, db, database, log, onClose }: Foundation,
  { teams, apiKeys, sandboxes }: { teams: TeamStore; apiKeys: ApiKeyStore; sandboxes: Sandboxes },
): { feed: EventFeed; resources: EventResources } {
  const events = new EventLog(db);
  const retention = new EventRetention(events, config.eventRetentionHours * 3600, log);
  retention.start();
  onClose(() => retention.close());
  const waker = new EventWaker(database.messages, log);
  sandboxes.changes.subscribe(() => waker.wake());
  onClose(async () => waker.close());
  const resources = new EventResources({
    sandboxes: sandboxes.reads,
    templates: sandboxes.templateStore,
    memberships: new MembershipStore(db),
    apiKeys,
    teams,
    hosts: new RegistryStore(db),
  });
  return { feed: new EventFeed({ events, resources, messages: database.messages, log }), resources };
}
