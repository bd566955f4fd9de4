import { Readable } from "node:stream";
import { LIMITS } from "@warren/contracts/limits";
import { AUDIT_LINES, type AuditFilters, type AuditPage, type ListAuditLogs } from "@warren/contracts/rest/audit";
import type { FastifyReply } from "fastify";
import { fromCursor, toCursor } from "./audit-cursor.ts";
import type { AuditQuery, AuditView } from "./audit-query.ts";

/** How an export is described. */
export const EXPORT = {
  200: { content: { [AUDIT_LINES]: { schema: { type: "string" } } }, description: "Events, one to a line" },
} as const;

/** The page that a request asks for. */
export async function pageOf(events: AuditQuery, view: AuditView, query: ListAuditLogs): Promise<AuditPage> {
  const { limit = LIMITS.auditPage.default, cursor, ...filters } = query;
  const after = cursor === undefined ? undefined : fromCursor(cursor);
  const { items, next } = await events.page(view, filters, { limit, after });
  return { items, ...(next && { next_cursor: toCursor(next) }) };
}

/**
 * Answers with all events as lines of JSON, in a file of this name. `view` is asked before each part of them, and throws once
 * the caller may see no more.
 */
export async function sendExport(
  reply: Pick<FastifyReply, "type" | "header" | "send">,
  fileName: string,
  { events, view, filters }: { events: AuditQuery; view: () => Promise<AuditView>; filters: AuditFilters },
): Promise<never> {
  const pages = events.pages(view, filters);
  // What is refused is refused before the answer begins.
  const first = await pages.next();
  reply.type(AUDIT_LINES);
  reply.header("content-disposition", `attachment; filename="${fileName}"`);
  return reply.send(Readable.from(linesOf(first, pages), { objectMode: false })) as never;
}

/** Each page as text; the next one is read when the client has taken it. */
async function* linesOf(first: IteratorResult<object[]>, rest: AsyncGenerator<object[]>): AsyncGenerator<Buffer> {
  for (let page = first; !page.done; page = await rest.next()) {
    yield Buffer.from(page.value.map((event) => `${JSON.stringify(event)}\n`).join(""));
  }
}
