import { create, type DescMessage, fromJson, type JsonValue, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { WarrenError } from "@warren/contracts/errors";
import { type StartResponse, StartResponseSchema } from "@warren/contracts/gen/process/process_pb";

/**
 * Bytes of JSON of the guest that are parsed. Parsed JSON takes up to thirty times its size; output of commands, which may
 * be larger, is taken from its message without.
 */
export const MAX_JSON = 64 * 1024;
/** Characters of a message of the guest that reach people. */
const MESSAGE_CHARACTERS = 1000;

/** What the guest agent puts around each piece of output (guest-agent/internal/process/messages.go). */
const OUTPUT = (["stdout", "stderr", "pty"] as const).map((name) => ({
  name,
  before: Buffer.from(`{"event":{"data":{"${name}":"`),
}));
const AFTER = Buffer.from('"}}}');

/** A message of a Connect call from its JSON. Throws `agent_error` when it is none. */
export function parseMessage<O extends DescMessage>(schema: O, payload: Buffer, maxBytes = MAX_JSON): MessageShape<O> {
  if (schema.typeName === StartResponseSchema.typeName) {
    const output = parseOutput(payload);
    if (output) return output as MessageShape<O>;
  }
  try {
    return fromJson(schema, parseJson(payload, maxBytes) as JsonValue, { ignoreUnknownFields: true });
  } catch (error) {
    throw unreadable(error);
  }
}

/** The error in the last message of a Connect stream, or in the body of a call that failed; undefined when there is none. */
export function parseError(value: unknown): ConnectError | undefined {
  if (!isObject(value)) return undefined;
  const code = typeof value.code === "string" ? codeFromString(value.code) : undefined;
  return new ConnectError(shortened(value.message), code ?? Code.Unknown);
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

/** A text of the guest for people: one of another type, or a long one, is not worth its room. */
export function shortened(text: unknown): string {
  return typeof text === "string" ? text.slice(0, MESSAGE_CHARACTERS) : "";
}

/** Message of an error body `{"code","message"}` of the guest agent. */
export function errorMessage(body: Buffer): string {
  try {
    const error = parseJson(body);
    if (typeof error === "object" && error !== null && "message" in error) return shortened(error.message);
  } catch {
    // A text, or a page of somebody who is not the guest agent.
  }
  return body.toString("utf8", 0, 200);
}

function parseOutput(payload: Buffer): StartResponse | undefined {
  for (const { name, before } of OUTPUT) {
    const end = payload.length - AFTER.length;
    if (end < before.length || before.compare(payload, 0, before.length) !== 0) continue;
    if (AFTER.compare(payload, end) !== 0) return undefined;
    const value = Buffer.from(payload.toString("latin1", before.length, end), "base64");
    return create(StartResponseSchema, {
      event: { event: { case: "data", value: { output: { case: name, value } } } },
    });
  }
  return undefined;
}

function unreadable(cause: unknown): WarrenError {
  return new WarrenError("agent_error", "the guest agent gave an answer that could not be read", { cause });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
