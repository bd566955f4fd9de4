import { WarrenError } from "@warren/contracts/errors";
import { Ajv2020, type ErrorObject, type Options } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import fastJsonStringify from "fast-json-stringify";
import type { FastifySchemaCompiler, FastifySchemaValidationError, FastifySerializerCompiler } from "fastify";

/** Schema keyword for the greatest length of a string in bytes of UTF-8 (`maxLength` counts characters). */
export const MAX_BYTES = "x-max-bytes";

/** Schema keyword for what a `pattern`, `format` or `const` beside it means, in words that follow "must be". */
const WORDS = "x-words";

/** Makes a value when it is first needed. */
function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** For values that are taken exactly as they come: nothing is coerced and unknown fields are errors. */
const strict = lazily(() => createAjv({ coerceTypes: false }));
/** For path parameters and query strings, which arrive as text. */
const coercing = lazily(() => createAjv({ coerceTypes: "array" }));

/**
 * Compiles the schemas of requests, each with its first request: to compile all of them would double the time that the
 * server takes to start.
 */
export function createValidatorCompiler(): FastifySchemaCompiler<object> {
  return ({ schema, httpPart }) => {
    const compiled = lazily(() => (httpPart === "body" ? strict() : coercing()).compile(schema));
    return (value) => {
      const validate = compiled();
      return validate(value) ? true : { error: validate.errors as unknown as Error };
    };
  };
}

/** Compiles the schemas of answers, each with its first answer. */
export function createSerializerCompiler(): FastifySerializerCompiler<object> {
  return ({ schema }) => {
    const compiled = lazily(() => fastJsonStringify(schema));
    return (value) => compiled()(value);
  };
}

/** Writes values of a schema as JSON, where a route that answers with one of several would find out first with which. */
export function compileSerializer<T>(schema: object): (value: T) => string {
  const compiled = lazily(() => fastJsonStringify(schema));
  return (value) => compiled()(value);
}

/** A check of values that arrive otherwise than in a body; it throws `invalid_request` with the field's path. */
export function compileCheck<T>(schema: object, name: string): (value: unknown) => T {
  const compiled = lazily(() => strict().compile<T>(schema));
  return (value) => {
    const validate = compiled();
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
    // Errors have the schema, which says what a pattern means.
    verbose: true,
    // The document of the API has them all, and a test checks those: here, the schema of schemas would be compiled first,
    // which takes as long as twenty others.
    meta: false,
    validateSchema: false,
    ...options,
  });
  ajvFormats.default(ajv);
  ajv.addKeyword(WORDS);
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
  // The check of a key tells of the object that has it.
  if (error.propertyName !== undefined) {
    return new WarrenError(
      "invalid_request",
      `${path} has the key ${JSON.stringify(error.propertyName)}, which ${mustBe(error)}`,
    );
  }
  switch (error.keyword) {
    case "additionalProperties":
      return new WarrenError("invalid_request", `${path}/${error.params.additionalProperty} is not a known field`);
    case "required":
      return new WarrenError("invalid_request", `${path}/${error.params.missingProperty} is required`);
    case "enum":
      return new WarrenError(
        "invalid_request",
        `${path} must be one of ${error.params.allowedValues.join(", ")}${notThis(error, dataVar)}`,
      );
    case "const":
      return new WarrenError("invalid_request", `${path} must be ${constant(error)}`);
    default:
      return new WarrenError("invalid_request", `${path} ${mustBe(error)}${notThis(error, dataVar)}`);
  }
}

/** Keywords that say what a value must be, so that a message can name the one which is not that. */
const NAMING = ["enum", "pattern", "type", "minimum", "maximum", "format"];
/** Characters of a value that a message names. */
const NAMED_CHARACTERS = 64;

/** Names a value of a query string that is not what it must be; those of bodies may be secret. */
function notThis({ keyword, data }: ErrorObject, dataVar: string): string {
  return dataVar === "querystring" && NAMING.includes(keyword)
    ? `, not ${JSON.stringify(String(data).slice(0, NAMED_CHARACTERS))}`
    : "";
}

/** The one value that there may be, in the words of its schema if it has some. */
function constant({ params, parentSchema }: ErrorObject): string {
  return (parentSchema as { [WORDS]?: string })[WORDS] ?? JSON.stringify(params.allowedValue);
}

/** What a value must be that is not. */
function mustBe({ keyword, parentSchema, message = "is not valid" }: ErrorObject): string {
  const { [WORDS]: words } = parentSchema as { [WORDS]?: string };
  return keyword === "pattern" || (keyword === "format" && words !== undefined) ? `must be ${words}` : message;
}
