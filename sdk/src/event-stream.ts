import type { IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorCode, WarrenError } from "@warren/contracts/errors";
import {
  type EventType,
  HEARTBEAT_SEC,
  type StreamReady,
  type StreamReset,
  type TeamEvent,
} from "@warren/contracts/rest/events";
import { createParser } from "eventsource-parser";
import { unreachable } from "./errors.ts";
import type { Transport } from "./transport.ts";

/** Milliseconds of silence after which a connection is taken for a dead one. */
const SILENCE_MS = 3 * HEARTBEAT_SEC * 1000;
/** Milliseconds before another attempt to connect, unless the server says so, and at most. */
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;

/** Characters of an event that is not complete yet at which its stream is given up; those of the API are far below. */
const LONGEST_EVENT = 16 * 1024 * 1024;

/** Refusals that another attempt may change; all others stand. */
const PASSING: ErrorCode[] = ["rate_limited", "request_timeout"];

/** What to follow. */
export interface EventsOptions {
  /** Types of changes; default: all that the caller may see. */
  types?: EventType[];
  /** `position` of an event after which to go on; default: from now. */
  after?: string;
  signal?: AbortSignal;
}

/**
 * What a stream tells. `ready`, once: from here on no change is missed, so that a list which is read now is kept up to date by
 * what follows. `reset`: changes were missed, so that it is to be read anew. All others: one change.
 */
export type StreamedEvent = {
  /** For `after`, to go on from here later. */
  position: string;
} & (TeamEvent | ({ type: "ready" } & Pick<StreamReady, "types">) | ({ type: "reset" } & StreamReset));

/** One thing that a stream says: how long to wait (milliseconds) before another attempt, a position, or an event. */
interface StreamPart {
  retry?: number;
  id?: string;
  event?: string | undefined;
  data?: string;
}

/** Follows what changes in a team until it is left, over restarts of the server and broken connections. */
export async function* followEvents(
  transport: Transport,
  { types, after, signal }: EventsOptions,
): AsyncGenerator<StreamedEvent, void, undefined> {
  let position = after ?? "";
  let retryMs = FIRST_RETRY_MS;
  let failures = 0;
  let isConnected = false;
  // Whoever goes on after an event has what it follows already.
  let isReady = after !== undefined;
  for (;;) {
    try {
      for await (const part of partsOf(await open(transport, types, position, !isConnected, signal))) {
        isConnected = true;
        failures = 0;
        retryMs = part.retry ?? retryMs;
        position = part.id ?? position;
        const event = eventOf(part, position, transport);
        if (event === undefined || (event.type === "ready" && isReady)) continue;
        isReady = true;
        yield event;
      }
    } catch (error) {
      signal?.throwIfAborted();
      // The first attempt tells whether there is such a server at all.
      if (!isConnected || isFinal(error)) throw error;
      failures++;
    }
    const delay = Math.min(LONGEST_RETRY_MS, retryMs * 2 ** Math.min(failures, 10));
    await sleep(delay, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
  }
}

/** Whether the server refuses what is asked for. */
function isFinal(error: unknown): boolean {
  return error instanceof WarrenError && error.status < 500 && !PASSING.includes(error.code);
}

function open(
  transport: Transport,
  types: EventType[] | undefined,
  position: string,
  safe: boolean,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const query = new URLSearchParams();
  if (types !== undefined) query.set("types", types.join());
  if (position !== "") query.set("after", position);
  const path = `/v1/events${query.size > 0 ? `?${query}` : ""}`;
  return transport.open({ method: "GET", path, safe, signal });
}

/** What an answer says, as it comes: the position of an event right before it. Whoever leaves early breaks the connection. */
async function* partsOf(response: IncomingMessage): AsyncGenerator<StreamPart> {
  const parts: StreamPart[] = [];
  const parser = createParser({
    maxBufferSize: LONGEST_EVENT,
    onRetry: (retry) => parts.push({ retry }),
    onId: (id) => parts.push({ id }),
    onEvent: ({ event, data }) => parts.push({ event, data }),
    onError({ type }) {
      // Fields that nobody knows are left out.
      if (type === "max-buffer-size-exceeded") throw new RangeError("an event of the stream is too long");
    },
  });
  const decoder = new StringDecoder("utf8");
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    for (;;) {
      // A consumer that takes its time reads nothing meanwhile: that is no silence of the server.
      const timer = setTimeout(() => response.destroy(new Error("the server has fallen silent")), SILENCE_MS);
      const { value, done } = await chunks.next().finally(() => clearTimeout(timer));
      if (done) return;
      parser.feed(decoder.write(value));
      yield* parts.splice(0);
    }
  } finally {
    response.destroy();
  }
}

function eventOf({ event, data }: StreamPart, position: string, transport: Transport): StreamedEvent | undefined {
  if (data === undefined) return undefined;
  let content: object;
  try {
    content = JSON.parse(data);
  } catch (error) {
    throw unreachable(transport.base.origin, error);
  }
  return { type: event, ...content, position } as StreamedEvent;
}
