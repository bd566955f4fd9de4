import type { FastifyRequest } from "fastify";
import { AddressPolicy } from "../addresses/address-policy.ts";
import { ALL_RIGHTS } from "../audit/account-events.ts";
import { memberOf, userOf } from "../callers/request-caller.ts";
import { transact } from "../database/transact.ts";
import type { EventResources } from "../events/event-resources.ts";
import { requirePermission } from "../teams/permissions.ts";
import { DeliverySender } from "../webhooks/delivery-sender.ts";
import { DeliveryStore } from "../webhooks/delivery-store.ts";
import { Dispatcher } from "../webhooks/dispatcher.ts";
import { EventFanOut } from "../webhooks/event-fan-out.ts";
import { HttpPost } from "../webhooks/http-post.ts";
import { webhookRetention } from "../webhooks/webhook-retention.ts";
import { type WebhookScope, WebhookService } from "../webhooks/webhook-service.ts";
import { WebhookStore } from "../webhooks/webhook-store.ts";
import type { Accounts } from "./accounts.ts";
import type { Foundation } from "./foundation.ts";

/** What tells others of events. */
export type Webhooks = ReturnType<typeof createWebhooks>;

/** Wires webhooks together. Nothing of it acts by itself before it is started. */
export function createWebhooks(
  { config, db, secrets, database, audit, log }: Foundation,
  { accounts, resources }: { accounts: Accounts; resources: EventResources },
) {
  const hooks = new WebhookStore(db, secrets);
  const deliveries = new DeliveryStore(db);
  const post = new HttpPost(new AddressPolicy(config.webhookTargets));
  const parts = { db, hooks, deliveries, post, audit: audit.webhooks };
  const sender = new DeliverySender(parts);
  const fanOut = new EventFanOut({ ...parts, resources, log });
  const { leadership, messages } = database;
  const { limiter, teams, admins } = accounts;
  const webhooks = new WebhookService({ ...parts, fanOut, sender, limiter });
  return {
    webhooks,
    dispatcher: new Dispatcher({ fanOut, deliveries, sender, messages, leadership, log }),
    retention: webhookRetention({ db, leadership, log }),
    /** The webhooks of the team of a request's session. */
    teamScope: (request: FastifyRequest): WebhookScope => {
      const by = memberOf(request);
      requirePermission(by.role, "manageWebhooks");
      return { by, owner: by.teamId, change: (work) => teams.withTeam(by, "manageWebhooks", work) };
    },
    /** The webhooks of the platform, for its administrators. */
    platformScope: async (request: FastifyRequest): Promise<WebhookScope> => {
      const by = userOf(request);
      await admins.require(by.userId, ALL_RIGHTS);
      return { by, owner: null, change: (work) => transact(db, work) };
    },
  };
}
