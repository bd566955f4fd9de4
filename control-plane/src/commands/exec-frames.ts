import { WarrenError } from "@warren/contracts/errors";
import {
  EXEC_CLIENT_FRAMES,
  type ExecClientFrame,
  type ExecServerFrame,
  STREAM_BYTE,
} from "@warren/contracts/rest/commands";
import { SIGNALS, type SignalName } from "@warren/contracts/signals";
import { compileCheck } from "../http/errors/validation.ts";
import { decodeBase64 } from "./base64.ts";

/** A message of a client, with the bytes of its standard input decoded. */
export type ClientMessage =
  | Exclude<ExecClientFrame, { type: "stdin" }>
  | {
      type: "stdin";
      bytes: Buffer;
    };

/** A frame that asks for something which the command can do without: it may be refused, and nothing is lost. */
export class RefusedFrame extends WarrenError {}
const REFUSABLE = ["signal", "timeout", "resize", "output_taken"];

const checks = Object.fromEntries(
  Object.entries(EXEC_CLIENT_FRAMES).map(([type, schema]) => [type, compileCheck<ExecClientFrame>(schema, "frame")]),
);

/** Reads a WebSocket message; throws `invalid_request` when it is no frame, as a RefusedFrame when that does no harm. `binary` allows binary messages. */
export function parseClientMessage(data: Buffer, isBinary: boolean, binary: boolean): ClientMessage {
  if (isBinary) {
    if (!binary) throw new WarrenError("invalid_request", "binary messages need the subprotocol warren.exec.v1");
    if (data[0] !== STREAM_BYTE.stdin) {
      throw new WarrenError("invalid_request", "a binary message must begin with the byte 1 (standard input)");
    }
    return { type: "stdin", bytes: data.subarray(1) };
  }
  const frame = parseJsonFrame(data);
  if (frame.type !== "stdin") return frame;
  const bytes = frame.encoding === "base64" ? decodeBase64(frame.data, "frame/data") : Buffer.from(frame.data);
  return { type: "stdin", bytes };
}

function parseJsonFrame(data: Buffer): ExecClientFrame {
  let value: unknown;
  try {
    value = JSON.parse(data.toString("utf8"));
  } catch {
    throw new WarrenError("invalid_request", "a text message must be a JSON object");
  }
  const type = typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
  const check = typeof type === "string" && Object.hasOwn(checks, type) ? checks[type] : undefined;
  if (!check) {
    throw new WarrenError("invalid_request", `frame/type must be one of ${Object.keys(checks).join(", ")}`);
  }
  try {
    return check(withSignalName(value as ExecClientFrame));
  } catch (error) {
    if (error instanceof WarrenError && REFUSABLE.includes(String(type))) {
      throw new RefusedFrame(error.code, error.message);
    }
    throw error;
  }
}

/** Gives signals their whole names: kill(1) takes them without SIG and in small letters too. */
function withSignalName(frame: ExecClientFrame): ExecClientFrame {
  if (frame.type !== "signal" || typeof frame.signal !== "string") return frame;
  const name = frame.signal.toUpperCase().replace(/^(?:SIG)?/, "SIG");
  return Object.hasOwn(SIGNALS, name) ? { ...frame, signal: name as SignalName } : frame;
}

/** Writes a frame as a text message. */
export function encodeFrame(frame: ExecServerFrame): string {
  return JSON.stringify(frame);
}

/** Most bytes before a field of a message that has no other: its tag, and its length (protobuf, "Encoding"). */
const FIELD_HEADER = 6;

/**
 * Writes output as a binary message. Bytes that came as the only field of a message stay where they are, and their length,
 * which lies before them and has been read, makes room: copies of output are most of what the collector has to do.
 */
export function encodeOutputMessage(stream: "stdout" | "stderr", bytes: Uint8Array): Buffer {
  const { buffer, byteOffset, length } = bytes;
  const isOnlyField = byteOffset > 0 && buffer.byteLength - length <= FIELD_HEADER;
  const message = isOnlyField ? Buffer.from(buffer, byteOffset - 1, length + 1) : Buffer.allocUnsafe(length + 1);
  if (!isOnlyField) message.set(bytes, 1);
  message[0] = STREAM_BYTE[stream];
  return message;
}
