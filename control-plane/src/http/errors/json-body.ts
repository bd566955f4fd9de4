import { isUtf8 } from "node:buffer";
import { WarrenError } from "@warren/contracts/errors";
import type { App } from "../app-types.ts";

/** An escape of half a surrogate pair may stand in the text; only then the values have to be looked at. */
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;

/**
 * Reads bodies as JSON of whole Unicode characters. What is not Unicode would otherwise be stored, or looked up, as
 * something else: Node replaces it (RFC 8259, section 8).
 */
export function readJsonBodies(app: App): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body: Buffer, done) => {
    if (!isUtf8(body)) return done(new WarrenError("invalid_request", "the body is not UTF-8"));
    const text = body.toString("utf8");
    parse(request, text, (error, value: unknown) => {
      if (error && isJson(text)) {
        return done(new WarrenError("invalid_request", `the body has a key that no object may have: ${FORBIDDEN}`));
      }
      if (!error && SURROGATE_ESCAPE.test(text) && !isUnicode(value)) {
        return done(new WarrenError("invalid_request", "the body has half of a surrogate pair, which is no character"));
      }
      done(error, value);
    });
  });
}

/** Keys that change what an object of JavaScript is, which the parser refuses. */
const FORBIDDEN = '"__proto__", or "constructor" with a "prototype" in it';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isUnicode(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([name, inner]) => name.isWellFormed() && isUnicode(inner));
}
