import type { Readable } from "node:stream";
import type { AuditLog, AuditPage } from "@warren/contracts/rest/audit";
import type { Transport } from "./transport.ts";

/** Which events are wanted: those for which all of these hold, and any value of a list. */
export interface AuditOptions {
  /** What they are about, such as `sandbox`. */
  resourceTypes?: AuditLog["resource_type"][];
  /** What happened, such as `create`. */
  actions?: AuditLog["action"][];
  /** Ids of users and API keys, or `system`. */
  actors?: string[];
  /** Id or name of what they are about. */
  resourceId?: string;
  /** From this moment on. */
  from?: Date;
  /** Before this moment. */
  to?: Date;
  signal?: AbortSignal;
}

/** What happened, in the team of a person's session or on the platform; an API key may not read it. */
export class AuditLogs {
  readonly #transport: Transport;
  readonly #path: string;

  constructor(transport: Transport, path: "/v1/audit-logs" | "/v1/admin/audit-logs" = "/v1/audit-logs") {
    this.#transport = transport;
    this.#path = path;
  }

  /** One page, the newest events first: the first, or the one after the `next_cursor` of another. */
  page(options: AuditOptions & { limit?: number; cursor?: string } = {}): Promise<AuditPage> {
    const query = queryOf(options);
    if (options.limit !== undefined) query.set("limit", String(options.limit));
    if (options.cursor !== undefined) query.set("cursor", options.cursor);
    const path = `${this.#path}${query.size > 0 ? `?${query}` : ""}`;
    return this.#transport.json({ method: "GET", path, safe: true, signal: options.signal });
  }

  /** All events, the newest first, read page by page as they are asked for. */
  async *all(options: AuditOptions = {}): AsyncGenerator<AuditLog> {
    for (let cursor: string | undefined, isLast = false; !isLast; ) {
      const page: AuditPage = await this.page({ ...options, limit: 200, ...(cursor !== undefined && { cursor }) });
      yield* page.items;
      cursor = page.next_cursor;
      isLast = cursor === undefined;
    }
  }

  /**
   * All events that there are now as lines of JSON (`application/x-ndjson`), the newest first, in one answer: bytes as they come,
   * for a file, say. The stream fails when the answer breaks off; whoever leaves early destroys it.
   */
  export(options: AuditOptions = {}): Promise<Readable> {
    const query = queryOf(options);
    const path = `${this.#path}/export${query.size > 0 ? `?${query}` : ""}`;
    return this.#transport.open({ method: "GET", path, safe: true, signal: options.signal });
  }
}

function queryOf({ resourceTypes, actions, actors, resourceId, from, to }: AuditOptions): URLSearchParams {
  const query = new URLSearchParams();
  const lists = { resource_type: resourceTypes, action: actions, actor: actors };
  for (const [name, values] of Object.entries(lists)) {
    if (values && values.length > 0) query.set(name, values.join(","));
  }
  if (resourceId !== undefined) query.set("resource_id", resourceId);
  if (from) query.set("from", from.toISOString());
  if (to) query.set("to", to.toISOString());
  return query;
}
