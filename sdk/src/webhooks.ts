import type {
  CreateWebhook,
  ListWebhookDeliveries,
  NewWebhook,
  UpdateWebhook,
  Webhook,
  WebhookDelivery,
  WebhookDeliveryPage,
  WebhookSecret,
} from "@warren/contracts/rest/webhooks";
import type { Transport } from "./transport.ts";

/**
 * Where the server sends what changes, for sessions of people: the owner and admins of a team manage its webhooks, administrators
 * those of the platform. What is sent is verified with the npm package `standardwebhooks`.
 */
export class Webhooks {
  readonly #transport: Transport;
  readonly #path: string;

  constructor(transport: Transport, path: "/v1/webhooks" | "/v1/admin/webhooks" = "/v1/webhooks") {
    this.#transport = transport;
    this.#path = path;
  }

  /** The oldest first. */
  list(signal?: AbortSignal): Promise<Webhook[]> {
    return this.#transport.json({ method: "GET", path: this.#path, safe: true, signal });
  }

  /** Throws `not_found`. */
  get(id: string, signal?: AbortSignal): Promise<Webhook> {
    return this.#transport.json({ method: "GET", path: this.#pathOf(id), safe: true, signal });
  }

  /** Makes one. Its secret is told only here. */
  create(json: CreateWebhook, signal?: AbortSignal): Promise<NewWebhook> {
    return this.#transport.json({ method: "POST", path: this.#path, json, signal });
  }

  /** Changes what is named; one that is switched on again begins anew. */
  update(id: string, json: UpdateWebhook, signal?: AbortSignal): Promise<Webhook> {
    return this.#transport.json({ method: "PATCH", path: this.#pathOf(id), json, signal });
  }

  /** Deletes one, with its log and what waits for it. */
  async delete(id: string, signal?: AbortSignal): Promise<void> {
    await this.#transport.json({ method: "DELETE", path: this.#pathOf(id), signal });
  }

  /** Gives one another secret, which is told only here. For a day messages are signed with the former one as well. */
  rotateSecret(id: string, signal?: AbortSignal): Promise<WebhookSecret> {
    return this.#transport.json({ method: "POST", path: `${this.#pathOf(id)}/secret`, signal });
  }

  /** Sends a test message, also to one that is off; resolves with what came of the first attempt. */
  test(id: string, signal?: AbortSignal): Promise<WebhookDelivery> {
    return this.#transport.json({ method: "POST", path: `${this.#pathOf(id)}/test`, signal });
  }

  /** One page of what was sent within a week, the newest first: the first, or the one after the `next_cursor` of another. */
  deliveries(id: string, query: ListWebhookDeliveries = {}, signal?: AbortSignal): Promise<WebhookDeliveryPage> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const parameters = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    const path = `${this.#pathOf(id)}/deliveries${parameters.size > 0 ? `?${parameters}` : ""}`;
    return this.#transport.json({ method: "GET", path, safe: true, signal });
  }

  /** All of that, read page by page as it is asked for. */
  async *allDeliveries(
    id: string,
    query: Pick<ListWebhookDeliveries, "status"> = {},
    signal?: AbortSignal,
  ): AsyncGenerator<WebhookDelivery> {
    for (let cursor: string | undefined, isLast = false; !isLast; ) {
      const page = await this.deliveries(id, { ...query, limit: 200, ...(cursor !== undefined && { cursor }) }, signal);
      yield* page.items;
      cursor = page.next_cursor;
      isLast = cursor === undefined;
    }
  }

  /** Sends a message again that is over, with the same id; resolves with what came of the first attempt. */
  redeliver(id: string, deliveryId: string, signal?: AbortSignal): Promise<WebhookDelivery> {
    const path = `${this.#pathOf(id)}/deliveries/${encodeURIComponent(deliveryId)}/redeliver`;
    return this.#transport.json({ method: "POST", path, signal });
  }

  #pathOf(id: string): string {
    return `${this.#path}/${encodeURIComponent(id)}`;
  }
}
