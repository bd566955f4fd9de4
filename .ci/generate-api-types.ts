import { writeFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import openapiTypes, { astToString } from "openapi-typescript";
import { openApiDocument } from "../control-plane/src/wiring/openapi-document.ts";

/** What the generated file begins with. */
const HEADER =
  "/** Types of the API, made by `npm run generate` of its OpenAPI document. Do not change them here. */\n\n";

/** Writes the types of all routes of the API, of the document that the control plane serves, into a file. */
const [, , file = "sdk/src/gen/api.ts"] = process.argv;
const document = await openApiDocument();
const schemas: Record<string, object> = {};
const named = nameSchemas(document, schemas);
const types = await openapiTypes({ ...named, components: { schemas } } as Parameters<typeof openapiTypes>[0], {
  alphabetize: true,
  // What has a default may be left out of a request.
  defaultNonNullable: false,
});
await writeFile(file, HEADER + astToString(types));
// The server whose document it is keeps timers.
process.exit();

/**
 * The document with a reference in place of each schema that has a title, and without the errors, which are the same for
 * every route.
 */
function nameSchemas<T>(value: T, schemas: Record<string, object>): T {
  if (Array.isArray(value)) return value.map((item) => nameSchemas(item, schemas)) as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key]) => !/^[45]XX$/.test(key))
    .map(([key, item]) => [key, nameSchemas(item, schemas)]);
  const schema = Object.fromEntries(entries) as T & { title?: unknown; type?: unknown };
  const { title, type } = schema;
  if (typeof title !== "string" || !/^\w+$/.test(title) || type === undefined) return schema;
  schemas[title] ??= schema;
  if (!isDeepStrictEqual(schemas[title], schema)) throw new Error(`two schemas have the title ${title}`);
  return { $ref: `#/components/schemas/${title}` } as T;
}
