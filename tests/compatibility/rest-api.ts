/** A schema of the OpenAPI document, as far as clients depend on it. */
export interface Schema {
  type?: string | string[];
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
}

interface Content {
  content?: Record<string, { schema?: Schema }>;
}
interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: Schema;
}
interface Operation {
  parameters?: Parameter[];
  requestBody?: Content & { required?: boolean };
  responses?: Record<string, Content>;
}
/** An OpenAPI document. */
export interface ApiDocument {
  paths: Record<string, Record<string, Operation>>;
}

/** Least and greatest values of each kind. */
const BOUNDS = [
  ["minimum", "maximum"],
  ["minLength", "maxLength"],
  ["minItems", "maxItems"],
] as const;

/**
 * What clients of a former API would miss in the present one, a sentence each: a route, a field or a type of an answer that is
 * gone, and a request that was taken and is refused.
 */
export function breaksOfApi(former: ApiDocument, present: ApiDocument): string[] {
  return Object.entries(former.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => {
      const where = `${method.toUpperCase()} ${path}`;
      const now = present.paths[path]?.[method];
      return now ? breaksOfOperation(operation, now, where) : [`${where} is gone`];
    }),
  );
}

function breaksOfOperation(former: Operation, present: Operation, where: string): string[] {
  const known = new Map(former.parameters?.map((parameter) => [keyOf(parameter), parameter]));
  const now = new Map(present.parameters?.map((parameter) => [keyOf(parameter), parameter]));
  const parameters = [...known].flatMap(([key, { schema }]) => {
    const match = now.get(key);
    return match ? breaksOfRequest(schema, match.schema, `${where}, ${key}`) : [`${where}: ${key} is gone`];
  });
  const demanded = [...now]
    .filter(([key, { required }]) => required && !known.get(key)?.required)
    .map(([key]) => `${where}: ${key} must be there`);
  const mustHaveBody = present.requestBody?.required && !former.requestBody?.required;
  return [
    ...parameters,
    ...demanded,
    ...(mustHaveBody ? [`${where} must have a body`] : []),
    ...breaksOfContent(former.requestBody, present.requestBody, `${where}, body`, breaksOfRequest),
    ...Object.entries(former.responses ?? {}).flatMap(([status, content]) =>
      breaksOfContent(content, present.responses?.[status], `${where}, ${status}`, breaksOfAnswer),
    ),
  ];
}

const keyOf = ({ name, in: place }: Parameter) => `${place}/${name}`;

function breaksOfContent(
  former: Content | undefined,
  present: Content | undefined,
  where: string,
  compare: typeof breaksOfRequest,
): string[] {
  return Object.entries(former?.content ?? {}).flatMap(([type, { schema }]) => {
    const now = present?.content?.[type];
    if (!now) return [`${where}: ${type} is gone`];
    return schema && now.schema ? compare(schema, now.schema, where) : [];
  });
}

/** What was taken must still be. */
function breaksOfRequest(former: Schema, present: Schema, where: string): string[] {
  if (former.anyOf || present.anyOf) {
    const now = alternatives(present);
    return alternatives(former).flatMap((one) => fewest(now.map((other) => breaksOfRequest(one, other, where))));
  }
  const bounds = BOUNDS.flatMap(([least, most]) => [
    ...((present[least] ?? -Infinity) > (former[least] ?? -Infinity) ? [`${where}: ${least} is greater`] : []),
    ...((present[most] ?? Infinity) < (former[most] ?? Infinity) ? [`${where}: ${most} is less`] : []),
  ]);
  const refused = (former.enum ?? []).filter((value) => present.enum && !present.enum.includes(value));
  const demanded = (present.required ?? []).filter((name) => !former.required?.includes(name));
  return [
    ...(isWithin(former, present) ? [] : [`${where} has another type`]),
    ...(present.enum && !former.enum ? [`${where}: only some values are taken`] : []),
    ...bounds,
    ...refused.map((value) => `${where}: ${JSON.stringify(value)} is refused`),
    ...demanded.map((name) => `${where}/${name} must be there`),
    ...breaksWithin(former, present, where, breaksOfRequest),
  ];
}

/** What was there must still be, and be of a type that was. Values of an enum may be added: clients pass over what they do not know. */
function breaksOfAnswer(former: Schema, present: Schema, where: string): string[] {
  if (former.anyOf || present.anyOf) {
    const before = alternatives(former);
    return alternatives(present).flatMap((one) => fewest(before.map((other) => breaksOfAnswer(other, one, where))));
  }
  const missing = (former.required ?? []).filter((name) => !present.required?.includes(name));
  return [
    ...(isWithin(present, former) ? [] : [`${where} has another type`]),
    ...missing.map((name) => `${where}/${name} may be missing`),
    ...breaksWithin(former, present, where, breaksOfAnswer),
  ];
}

function breaksWithin(former: Schema, present: Schema, where: string, compare: typeof breaksOfRequest): string[] {
  const fields = Object.entries(former.properties ?? {}).flatMap(([name, schema]) => {
    const now = present.properties?.[name];
    return now ? compare(schema, now, `${where}/${name}`) : [`${where}/${name} is gone`];
  });
  const items = former.items && present.items ? compare(former.items, present.items, `${where}/*`) : [];
  return [...fields, ...items];
}

const alternatives = (schema: Schema): Schema[] => schema.anyOf ?? [schema];
const fewest = (found: string[][]): string[] => found.reduce((best, one) => (one.length < best.length ? one : best));

/** Whether all types of one schema are among those of another, which may be of any. */
function isWithin(one: Schema, other: Schema): boolean {
  const types = [other.type ?? []].flat();
  return types.length === 0 || [one.type ?? types].flat().every((type) => types.includes(type));
}
