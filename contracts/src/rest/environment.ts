import { type Static, Type } from "typebox";
import { LIMITS } from "../limits.ts";

/** Environment variables by name. */
export const Environment = Type.Unsafe<Record<string, string>>({
  type: "object",
  description: "Environment variables by name",
  propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]{0,254}$" },
  additionalProperties: { type: "string", pattern: "^[^\\u0000]*$", "x-max-bytes": LIMITS.execArgBytes },
  maxProperties: LIMITS.envVars,
});
export type Environment = Static<typeof Environment>;
