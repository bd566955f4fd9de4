import {
  create,
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { refused } from "./errors.ts";
import { guestText } from "./guest-text.ts";

/**
 * Bytes of JSON of the guest that are parsed. Parsed JSON takes up to thirty times its size; output of commands, which may
 * be larger, is taken from its message without.
 */
export const MAX_JSON = 64 * 1024;
/** Items of a list in a message: an object is made of each, which takes thirty times as long as to parse it. */
export const MAX_ITEMS = LIMITS.listEntries.max;
/** Bytes of a message that the guest agent takes (`MaxMessage` of its package `rpc`). */
const MAX_REQUEST = 16 * 1024 * 1024;
/** Stands for the message of an error that has none. */
export const NO_REASON = "the guest agent did not say why";

/**
 * The JSON of a message to the guest agent. Throws `too_large` when it is more than the agent takes: it would refuse it with
 * the code that it has for a full disk, and for a command that there is no room for.
 */
export function requestJson<I extends DescMessage>(schema: I, message: MessageInitShape<I>): string {
  const json = toJsonString(schema, create(schema, message));
  const size = Buffer.byteLength(json);
  if (size <= MAX_REQUEST) return json;
  throw new WarrenError("too_large", `the request has ${size} bytes, and a sandbox takes at most ${MAX_REQUEST}`);
}

/** A message of a Connect call from its JSON. Throws `agent_error` when it is none. */
export function parseMessage<O extends DescMessage>(
  schema: O,
  payload: Buffer,
  maxBytes = MAX_JSON,
  maxItems: number = MAX_ITEMS,
): MessageShape<O> {
  const value = parseJson(payload, maxBytes);
  const items = isObject(value) ? Object.values(value).map((field) => (Array.isArray(field) ? field.length : 0)) : [];
  if (Math.max(0, ...items) > maxItems) throw refused("it has a list that is longer than any that is asked for");
  try {
    return fromJson(schema, value as JsonValue, { ignoreUnknownFields: true });
  } catch (error) {
    throw unreadable(error);
  }
}

/** The error in the last message of a Connect stream, or in the body of a call that failed; undefined when there is none. */
export function parseError(value: unknown): ConnectError | undefined {
  if (!isObject(value)) return undefined;
  const code = typeof value.code === "string" ? codeFromString(value.code) : undefined;
  return new ConnectError(guestText(value.message) || NO_REASON, code ?? Code.Unknown);
}

/** Throws what the last message of a Connect stream says of the call. */
export function throwIfFailed(payload: Buffer): void {
  const trailer = parseJson(payload);
  const error = isObject(trailer) ? parseError(trailer.error) : undefined;
  if (error) throw error;
}

/** JSON of bounded size. Throws `agent_error`. */
export function parseJson(payload: Buffer, maxBytes = MAX_JSON): unknown {
  if (payload.length > maxBytes) throw unreadable(new Error(`it has ${payload.length} bytes`));
  try {
    return JSON.parse(payload.toString("utf8"));
  } catch (error) {
    throw unreadable(error);
  }
}

/** Message of an error body `{"code","message"}` of the guest agent. */
export function errorMessage(body: Buffer): string {
  try {
    const error = parseJson(body);
    if (isObject(error)) return guestText(error.message) || NO_REASON;
  } catch {
    // A text, or a page of somebody who is not the guest agent.
  }
  return guestText(body.toString("utf8", 0, 200)) || NO_REASON;
}

function unreadable(cause: unknown): WarrenError {
  return new WarrenError("agent_error", "the guest agent gave an answer that could not be read", { cause });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
