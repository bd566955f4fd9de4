import { WarrenError } from "@warren/contracts/errors";
import { Ajv2020, type ErrorObject, type Options } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import type { FastifySchemaCompiler, FastifySchemaValidationError } from "fastify";

/** Schema keyword for the greatest length of a string in bytes of UTF-8 (`maxLength` counts characters). */
export const MAX_BYTES = "x-max-bytes";

/**
 * Compiles request schemas. Bodies are taken exactly as they come: nothing is coerced and unknown fields are errors.
 * Path parameters and query strings, which arrive as text, are coerced to the type of their schema.
 */
export function createValidatorCompiler(): FastifySchemaCompiler<object> {
  const strict = createAjv({ coerceTypes: false });
  const coercing = createAjv({ coerceTypes: "array" });
  return ({ schema, httpPart }) => (httpPart === "body" ? strict : coercing).compile(schema);
}

/** Compiles a check of values that arrive otherwise than in a body; it throws `invalid_request` with the field's path. */
export function compileCheck<T>(schema: object, name: string): (value: unknown) => T {
  const validate = createAjv({ coerceTypes: false }).compile<T>(schema);
  return (value) => {
    if (validate(value)) return value;
    throw formatSchemaErrors((validate.errors ?? []) as FastifySchemaValidationError[], name);
  };
}

function createAjv(options: Options): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors: false,
    removeAdditional: false,
    useDefaults: true,
    allowUnionTypes: true,
    ...options,
  });
  ajvFormats.default(ajv);
  ajv.addKeyword({
    keyword: MAX_BYTES,
    type: "string",
    schemaType: "number",
    error: { message: (context) => `must have at most ${context.schema} bytes` },
    validate: (limit: number, text: string) => Buffer.byteLength(text) <= limit,
  });
  return ajv;
}

/** The error for a request that does not match its schema: the path of the field and what it must be. */
export function formatSchemaErrors(errors: FastifySchemaValidationError[], dataVar: string): WarrenError {
  const error = errors[0] as ErrorObject | undefined;
  if (!error) return new WarrenError("invalid_request", `${dataVar} is not valid`);
  const path = `${dataVar}${error.instancePath}`;
  switch (error.keyword) {
    case "additionalProperties":
      return new WarrenError("invalid_request", `${path}/${error.params.additionalProperty} is not a known field`);
    case "required":
      return new WarrenError("invalid_request", `${path}/${error.params.missingProperty} is required`);
    case "enum":
      return new WarrenError("invalid_request", `${path} must be one of ${error.params.allowedValues.join(", ")}`);
    case "const":
      return new WarrenError("invalid_request", `${path} must be ${JSON.stringify(error.params.allowedValue)}`);
    default:
      return new WarrenError("invalid_request", `${path} ${error.message ?? "is not valid"}`);
  }
}
