import type { IncomingMessage } from "node:http";
import { isErrorCode, WarrenError } from "@warren/contracts/errors";
import type { ErrorBody } from "@warren/contracts/rest/error";

/** Most bytes of an error body that are read; those of the API are a few hundred bytes. */
const ERROR_BODY_BYTES = 64 * 1024;

/** Turns an answer with a status other than 2xx into an error with the code that the server gave. */
export async function errorOf(response: IncomingMessage): Promise<WarrenError> {
  const text = await readStart(response);
  const status = response.statusCode ?? 0;
  const { code, message } = parseError(text);
  if (code !== undefined && isErrorCode(code))
    return new WarrenError(code, message ?? `The server answered ${status}.`);
  const said = message ?? text.slice(0, 200).trim();
  return new WarrenError(codeOfStatus(status), `The server answered ${status}${said === "" ? "." : `: ${said}`}`);
}

/** The error in a body that has one. */
export function errorOfBody({ error }: ErrorBody): WarrenError {
  return new WarrenError(isErrorCode(error.code) ? error.code : "internal_error", error.message);
}

/** A server that could not be reached, or a connection that broke before the answer was complete. */
export function unreachable(url: string, cause: unknown): WarrenError {
  const reason = cause instanceof Error && cause.message !== "" ? cause.message : String(cause);
  return new WarrenError("server_unreachable", `No answer from the Warren server at ${url}: ${reason}`, { cause });
}

function parseError(text: string): { code?: string; message?: string } {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    // A proxy in between answers with a page of its own.
    return {};
  }
  if (typeof body !== "object" || body === null || !("error" in body)) return {};
  const { error } = body;
  if (typeof error !== "object" || error === null) return {};
  return {
    ...("code" in error && typeof error.code === "string" ? { code: error.code } : {}),
    ...("message" in error && typeof error.message === "string" ? { message: error.message } : {}),
  };
}

function codeOfStatus(status: number) {
  if (status === 401) return "unauthorized" as const;
  if (status === 403) return "forbidden" as const;
  if (status === 404) return "not_found" as const;
  if (status === 413) return "too_large" as const;
  if (status === 429) return "rate_limited" as const;
  return status >= 400 && status < 500 ? ("invalid_request" as const) : ("internal_error" as const);
}

async function readStart(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      // Leaving the loop destroys the connection, which is right for an answer of this size.
      if (length >= ERROR_BODY_BYTES) break;
    }
  } catch {
    // The status is known; a body that breaks off only costs its message.
  }
  return Buffer.concat(chunks).toString("utf8");
}
