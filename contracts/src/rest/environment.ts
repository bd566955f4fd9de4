import { type Static, Type } from "typebox";
import { LIMITS } from "../limits.ts";

/** Environment variables by name. */
export const Environment = Type.Unsafe<Record<string, string>>({
  type: "object",
  description: "Environment variables by name",
  propertyNames: {
    pattern: "^[A-Za-z_][A-Za-z0-9_]{0,254}$",
    "x-words": "1 to 255 letters a to z, digits and _, beginning with no digit",
  },
  additionalProperties: {
    type: "string",
    pattern: "^[^\\u0000]*$",
    "x-words": "text without NUL characters",
    "x-max-bytes": LIMITS.execArgBytes,
  },
  maxProperties: LIMITS.envVars,
});
export type Environment = Static<typeof Environment>;
