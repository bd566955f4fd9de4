import type { OutgoingHttpHeaders } from "node:http";
import { WarrenError } from "@warren/contracts/errors";
import { ErrorBody } from "@warren/contracts/rest/error";
import {
  API_KEY_EVENT_TYPES,
  EVENT_ID_WORDS,
  EVENT_TYPES,
  EventsHeaders,
  EventsQuery,
  type EventType,
} from "@warren/contracts/rest/events";
import { Type } from "typebox";
import type { Caller } from "../callers/caller.ts";
import { callerOf } from "../callers/request-caller.ts";
import type { Routes } from "../http/app-types.ts";
import { whenOver } from "../http/slow-clients/when-over.ts";
import type { EventFeed } from "./event-feed.ts";
import { EventPosition } from "./event-position.ts";
import { EventStream } from "./event-stream.ts";

/** The route of the events of the caller's team. */
export function eventRoutes(feed: EventFeed): Routes {
  return async (app) => {
    app.get(
      "/v1/events",
      {
        exposeHeadRoute: false,
        schema: {
          tags: ["events"],
          summary: "Follow what changes in the team, as server-sent events",
          description:
            "The first event is `ready` (`StreamReady`); then comes one `TeamEvent` for each change, named by its type. `reset` " +
            "(`StreamReset`) says that events were lost. API keys see sandboxes and templates.",
          querystring: EventsQuery,
          headers: EventsHeaders,
          response: {
            200: { description: "A stream", content: { "text/event-stream": { schema: Type.String() } } },
            "4xx": ErrorBody,
            "5xx": ErrorBody,
          },
        },
      },
      async (request, reply) => {
        const caller = callerOf(request);
        const types = typesFor(caller, request.query.types);
        // A browser that connects again asks for the address with which it began.
        const header = request.headers["last-event-id"];
        const after = header
          ? positionOf("headers/last-event-id", header)
          : positionOf("querystring/after", request.query.after);
        const stream = new EventStream(
          feed,
          { teamId: caller.teamId, types, after },
          { out: reply.raw, log: request.log },
        );
        whenOver(reply.raw, () => stream.close());
        await stream.open();
        reply.hijack();
        stream.begin(reply.getHeaders() as OutgoingHttpHeaders);
      },
    );
  };
}

/** What a stream tells of; throws `forbidden` when the caller may not look at some of it. */
function typesFor(caller: Caller, asked: string[] | undefined): EventType[] {
  const seen: readonly EventType[] = caller.kind === "api_key" ? API_KEY_EVENT_TYPES : EVENT_TYPES;
  if (asked === undefined) return [...seen];
  const names = new Set(asked.flatMap((names) => names.split(",")));
  const types = EVENT_TYPES.filter((type) => names.has(type));
  const hidden = types.find((type) => !seen.includes(type));
  if (hidden !== undefined) {
    throw new WarrenError(
      "forbidden",
      `querystring/types names ${hidden}, and an API key sees events of ${seen.join(" and ")} only; sign in for the others`,
    );
  }
  return types;
}

function positionOf(field: string, id: string | undefined): EventPosition | undefined {
  if (id === undefined) return undefined;
  const position = EventPosition.parse(id);
  if (!position) throw new WarrenError("invalid_request", `${field} must be ${EVENT_ID_WORDS}`);
  return position;
}
