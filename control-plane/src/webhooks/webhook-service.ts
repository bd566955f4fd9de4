import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { type CreateWebhook, TEST_EVENT, type UpdateWebhook } from "@warren/contracts/rest/webhooks";
import type { WebhookEvents } from "../audit/webhook-events.ts";
import { actorOf, type SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import type { DeliverySender } from "./delivery-sender.ts";
import type { DeliveryFilter, DeliveryRow, DeliveryStore, NewestDelivery } from "./delivery-store.ts";
import type { EventFanOut } from "./event-fan-out.ts";
import type { HttpPost } from "./http-post.ts";
import type { StandardMessage } from "./message-formats.ts";
import type { WebhookOwner, WebhookRow, WebhookStore } from "./webhook-store.ts";

/** Whose webhooks somebody manages, and how a change of them is made. */
export interface WebhookScope {
  by: SignedInUser;
  owner: WebhookOwner;
  /** Runs a change in a transaction of `transact` that has made sure of the right to it. */
  change<T>(work: (transaction: Db) => Promise<T>): Promise<T>;
}

export interface WebhookServiceParts {
  db: Db;
  hooks: WebhookStore;
  deliveries: DeliveryStore;
  fanOut: EventFanOut;
  sender: DeliverySender;
  post: HttpPost;
  limiter: RateLimiter;
  audit: WebhookEvents;
}

/** Webhooks, as those who manage them see them. */
export class WebhookService {
  readonly #parts: WebhookServiceParts;
  readonly #stop = new AbortController();

  constructor(parts: WebhookServiceParts) {
    this.#parts = parts;
  }

  /** Breaks attempts off that requests wait for. */
  close(): void {
    this.#stop.abort();
  }

  /** All of them, each with its newest delivery if it has any. */
  async list({ owner }: WebhookScope): Promise<[WebhookRow, NewestDelivery | undefined][]> {
    const { hooks, deliveries } = this.#parts;
    const all = await hooks.list(owner);
    const newest = await deliveries.newest(all.map(({ id }) => id));
    return all.map((hook) => [hook, newest.get(hook.id)]);
  }

  async get({ owner }: WebhookScope, id: string): Promise<WebhookRow> {
    return found(await this.#parts.hooks.find(owner, id));
  }

  create({ owner, by, change }: WebhookScope, request: CreateWebhook): Promise<WebhookRow> {
    const { hooks, fanOut, audit } = this.#parts;
    this.#requireTarget(request.url);
    return change(async (transaction) => {
      await fanOut.lock(transaction);
      if ((await hooks.count(owner, transaction)) >= LIMITS.webhooks) {
        throw new WarrenError(
          "quota_exceeded",
          `there are ${LIMITS.webhooks} webhooks, which is the most; delete some`,
        );
      }
      const hook = await hooks.insert(owner, request, by.userId, transaction);
      if (hook.enabled) await fanOut.begin(transaction);
      const { url, format, events } = hook;
      await audit.created(transaction, actorOf(by), hook, { host: new URL(url).host, format, events });
      return hook;
    });
  }

  update({ owner, by, change }: WebhookScope, id: string, request: UpdateWebhook): Promise<WebhookRow> {
    const { hooks, fanOut, audit } = this.#parts;
    if (request.url !== undefined) this.#requireTarget(request.url);
    return change(async (transaction) => {
      await fanOut.lock(transaction);
      found(await hooks.lock(owner, id, transaction));
      const hook = await hooks.update(id, request, transaction);
      if (hook.enabled) await fanOut.begin(transaction);
      const { url, ...settings } = request;
      const host = url === undefined ? {} : { host: new URL(url).host };
      await audit.updated(transaction, actorOf(by), hook, { ...settings, ...host });
      return hook;
    });
  }

  /** Deletes a webhook with its log. */
  async delete({ owner, by, change }: WebhookScope, id: string): Promise<void> {
    const { hooks, audit } = this.#parts;
    await change(async (transaction) => {
      const hook = found(await hooks.lock(owner, id, transaction));
      await hooks.delete(id, transaction);
      await audit.deleted(transaction, actorOf(by), hook);
    });
  }

  /** Gives a webhook another secret. */
  rotate({ owner, by, change }: WebhookScope, id: string): Promise<WebhookRow> {
    const { hooks, audit } = this.#parts;
    return change(async (transaction) => {
      const hook = await hooks.rotate(found(await hooks.lock(owner, id, transaction)), transaction);
      await audit.secretRotated(transaction, actorOf(by), hook);
      return hook;
    });
  }

  /** Sends a message that tries a webhook out, also one that is off; resolves with what came of the first attempt. */
  async test({ owner, by, change }: WebhookScope, id: string): Promise<DeliveryRow> {
    const { hooks, deliveries, audit } = this.#parts;
    await this.#takeAttempt(by);
    const delivery = await change(async (transaction) => {
      const hook = found(await hooks.lock(owner, id, transaction));
      await audit.tested(transaction, actorOf(by), hook);
      return deliveries.insertClaimed({ webhookId: id, event: TEST_EVENT, payload: testOf(hook) }, transaction);
    });
    return this.#attempt(delivery);
  }

  /** Sends a delivery that is over again; resolves with what came of the first attempt, after which others follow as usual. */
  async redeliver({ owner, by, change }: WebhookScope, id: string, deliveryId: string): Promise<DeliveryRow> {
    const { hooks, deliveries, audit } = this.#parts;
    await this.#takeAttempt(by);
    const delivery = await change(async (transaction) => {
      const hook = found(await hooks.lock(owner, id, transaction));
      const claimed = await deliveries.claimAgain(id, deliveryId, transaction);
      if (!claimed) throw await this.#notRepeatable(id, deliveryId, transaction);
      await audit.redelivered(transaction, actorOf(by), hook, deliveryId);
      return claimed;
    });
    return this.#attempt(delivery);
  }

  async deliveries(scope: WebhookScope, id: string, filter: DeliveryFilter): Promise<DeliveryRow[]> {
    await this.get(scope, id);
    return this.#parts.deliveries.list(id, filter);
  }

  async #attempt(delivery: DeliveryRow): Promise<DeliveryRow> {
    const attempted = await this.#parts.sender.attempt(delivery, this.#stop.signal).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) throw error;
      throw new WarrenError("server_stopping", "the server is being stopped; the message is sent when it is back");
    });
    if (!attempted) throw notFound();
    return attempted;
  }

  async #notRepeatable(id: string, deliveryId: string, db: Db): Promise<WarrenError> {
    if (!(await this.#parts.deliveries.find(id, deliveryId, db))) {
      return new WarrenError("not_found", "the webhook has no such delivery; its log is kept for a week");
    }
    return new WarrenError("invalid_state", "the delivery is pending: it is tried again by itself");
  }

  #takeAttempt({ userId }: SignedInUser): Promise<void> {
    return this.#parts.limiter.take("send to webhooks as", userId, RATES.sendToWebhook.account);
  }

  #requireTarget(url: string): void {
    const problem = this.#parts.post.problemOf(url);
    if (problem !== undefined) throw new WarrenError("invalid_request", `body/url ${problem}`);
  }
}

function testOf({ name, team_id }: WebhookRow): string {
  const message: StandardMessage = {
    type: TEST_EVENT,
    timestamp: new Date().toISOString(),
    ...(team_id !== null && { team_id: toWireId("team", team_id) }),
    data: { message: `A test of the webhook ${name}` },
  };
  return JSON.stringify(message);
}

function found(hook: WebhookRow | undefined): WebhookRow {
  if (!hook) throw notFound();
  return hook;
}

function notFound(): WarrenError {
  return new WarrenError("not_found", "there is no such webhook");
}
