import type { ClientRequest, IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { codeFromHttpStatus } from "@connectrpc/connect/protocol-connect";
import { turns } from "@warren/server/fair-turns";
import { envelope } from "./envelopes.ts";
import { guestError, refused } from "./errors.ts";
import { HOLD } from "./held.ts";
import { MessageReader } from "./message-reader.ts";
import { MAX_ITEMS, MAX_JSON, NO_REASON, parseError, parseJson, parseMessage, requestJson } from "./messages.ts";
import { bodyOf, type GuestAnswer, type GuestRequests, readWhole } from "./requests.ts";

/** A time that no call reaches. */
const NEVER = new AbortController().signal;
/** Milliseconds for the body of an answer that says that a stream cannot be opened. */
const ERROR_LIMIT_MS = 15_000;

/**
 * Connect with JSON over HTTP/1.1, for the calls to the guest agent. The transport of the Connect library trusts the other
 * side with memory and processor time: it unpacks what is compressed, and copies what it has each time more comes.
 * The answer of a unary call may have `maxJson` bytes, and `maxItems` items in a list.
 */
export function guestTransport(
  requests: GuestRequests,
  { maxJson = MAX_JSON, maxItems = MAX_ITEMS }: { maxJson?: number; maxItems?: number } = {},
): Transport {
  return {
    async unary(method, signal, timeoutMs, header, input, context) {
      const deadline = timeoutMs ? AbortSignal.timeout(timeoutMs) : NEVER;
      const answer = await requests
        .ask(
          {
            method: "POST",
            path: `/${method.parent.typeName}/${method.name}`,
            headers: { ...headersOf(header), "content-type": "application/json", "connect-protocol-version": "1" },
            signal: AbortSignal.any([deadline, ...(signal ? [signal] : [])]),
          },
          maxJson,
          requestJson(method.input, input),
          context?.get(HOLD),
        )
        .catch((error: unknown) => {
          if (deadline.aborted) throw new ConnectError("the guest agent did not answer in time", Code.DeadlineExceeded);
          throw error;
        });
      if (answer.status !== 200) throw failure(answer);
      requireType(answer.headers["content-type"], "application/json");
      const message = parseMessage(method.output, answer.body, maxJson, maxItems);
      return { stream: false, service: method.parent, method, message, header: new Headers(), trailer: new Headers() };
    },
    async stream(method, signal, _timeoutMs, header, input) {
      const { request, answer } = requests.open({
        method: "POST",
        path: `/${method.parent.typeName}/${method.name}`,
        headers: { ...headersOf(header), "content-type": "application/connect+json", "connect-protocol-version": "1" },
        signal,
      });
      // A body that the guest does not take to its end shows in the answer, or breaks the connection under it.
      pipeline(envelopes(method.input, input, request), request).catch(() => undefined);
      const response = await answer;
      if (response.statusCode !== 200) {
        const status = response.statusCode ?? 0;
        const timer = setTimeout(() => response.destroy(), ERROR_LIMIT_MS);
        const body = await readWhole(response, MAX_JSON).finally(() => clearTimeout(timer));
        throw failure({ status, headers: response.headers, body });
      }
      requireType(response.headers["content-type"], "application/connect+json", response);
      const message = messages(method.output, response, requests);
      return { stream: true, service: method.parent, method, message, header: new Headers(), trailer: new Headers() };
    },
  };
}

async function* envelopes<I extends DescMessage>(
  schema: I,
  input: AsyncIterable<MessageInitShape<I>>,
  request: ClientRequest,
): AsyncGenerator<Buffer> {
  for await (const message of input) {
    try {
      yield envelope(requestJson(schema, message));
    } catch (error) {
      // What the call fails with; the end of its body alone would say that the guest has left.
      request.destroy(error as Error);
      throw error;
    }
  }
}

/** The messages of a stream, taken in turns with those of other guests: any of them may send more than can be taken. */
async function* messages<O extends DescMessage>(
  schema: O,
  response: IncomingMessage,
  guest: object,
): AsyncGenerator<MessageShape<O>> {
  const reader = new MessageReader(schema);
  try {
    for await (const piece of bodyOf(response)) {
      for (const message of reader.push(piece)) {
        yield message;
        const turn = turns.next(guest);
        if (turn) await turn;
      }
      if (reader.ended) return;
    }
  } catch (error) {
    throw error instanceof ConnectError ? error : guestError(error);
  }
  throw new ConnectError("the stream broke off", Code.Unavailable);
}

function failure({ status, body }: GuestAnswer): Error {
  const said = parseError(body.length > 0 ? parseJson(body) : undefined);
  return said ?? new ConnectError(NO_REASON, codeFromHttpStatus(status));
}

/** Throws, and gives up the rest of the answer, when it is of another type. */
function requireType(type: string | undefined, wanted: string, response?: IncomingMessage): void {
  if (type === wanted) return;
  response?.destroy();
  throw refused(`it is not ${wanted}`);
}

function headersOf(header: ConstructorParameters<typeof Headers>[0]): Record<string, string> {
  return Object.fromEntries(new Headers(header));
}
