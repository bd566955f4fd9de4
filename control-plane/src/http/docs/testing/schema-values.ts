import type { Ajv2020 } from "ajv/dist/2020.js";
import fc, { type Arbitrary } from "fast-check";
import { MAX_BYTES } from "../../errors/validation.ts";

/** A JSON schema, as far as the API's documents use the language. */
export interface Schema {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  propertyNames?: Schema;
  minProperties?: number;
  maxProperties?: number;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  examples?: unknown[];
  format?: string;
  contentMediaType?: string;
  [MAX_BYTES]?: number;
}

/** Most entries of a list or map that has no limit of its own, and most characters of a text. */
const ENTRIES = 4;
const CHARACTERS = 40;
/** Batches of candidates among which a value is looked for. */
const BATCHES = 10;

/** Makes values that a schema allows. */
export class SchemaValues {
  readonly #ajv: Ajv2020;
  readonly #known: () => readonly string[];

  /** `known`: texts that mean something to the server, which are preferred where they fit. */
  constructor(ajv: Ajv2020, known: () => readonly string[]) {
    this.#ajv = ajv;
    this.#known = known;
  }

  /** One of the values that a schema allows, chosen by `seed`; undefined when none was found. */
  valid(schema: Schema, seed: number): unknown {
    const check = this.#ajv.compile(schema);
    for (let batch = 0; batch < BATCHES; batch++) {
      const candidates = fc.sample(this.#arbitrary(schema), { seed: seed + batch, numRuns: 8 }).reverse();
      const found = candidates.find((value) => check(value));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** One of the values that a schema does not allow, near one that it allows; undefined when none was found. */
  invalid(schema: Schema, seed: number): unknown {
    const check = this.#ajv.compile(schema);
    const base = this.#arbitrary(schema);
    const near = fc.oneof(
      fc
        .tuple(base, fc.nat(), fc.jsonValue({ maxDepth: 1 }))
        .map(([value, index, other]) => damage(value, index, other)),
      fc.jsonValue({ maxDepth: 1 }),
    );
    return fc.sample(near, { seed, numRuns: 12 }).find((value) => value !== undefined && !check(value));
  }

  #arbitrary(schema: Schema): Arbitrary<unknown> {
    if (schema.const !== undefined) return fc.constant(schema.const);
    if (schema.enum) return fc.constantFrom(...schema.enum);
    const options = schema.anyOf ?? schema.oneOf;
    if (options) return fc.oneof(...options.map((option) => this.#arbitrary(option)));
    switch (schema.type) {
      case "object":
        return this.#object(schema);
      case "array":
        return this.#array(schema);
      case "string":
        return this.#string(schema);
      case "integer":
        return fc.integer({ min: schema.minimum ?? -1000, max: schema.maximum ?? 1000 });
      case "number":
        return fc.double({ min: schema.minimum ?? -1000, max: schema.maximum ?? 1000, noNaN: true });
      case "boolean":
        return fc.boolean();
      case "null":
        return fc.constant(null);
      default:
        return fc.jsonValue({ maxDepth: 1 });
    }
  }

  #object(schema: Schema): Arbitrary<unknown> {
    const properties = Object.entries(schema.properties ?? {}).map(
      ([name, inner]) => [name, this.#arbitrary(inner)] as const,
    );
    const requiredKeys = (schema.required ?? []).filter((name) => Object.hasOwn(schema.properties ?? {}, name));
    const named = fc.record(Object.fromEntries(properties), { requiredKeys, noNullPrototype: true });
    const { additionalProperties: more } = schema;
    if (typeof more !== "object") return named;
    const key = this.#string({ maxLength: CHARACTERS, ...schema.propertyNames, type: "string" });
    const entries = fc.dictionary(key, this.#arbitrary(more), { maxKeys: ENTRIES, noNullPrototype: true });
    return fc.tuple(named, entries).map(([left, right]) => ({ ...right, ...left }));
  }

  #array(schema: Schema): Arbitrary<unknown> {
    const minLength = schema.minItems ?? 0;
    const limits = { minLength, maxLength: Math.min(schema.maxItems ?? ENTRIES, Math.max(minLength, ENTRIES)) };
    const items = this.#arbitrary(schema.items ?? {});
    return schema.uniqueItems ? fc.uniqueArray(items, limits) : fc.array(items, limits);
  }

  #string(schema: Schema): Arbitrary<string> {
    const { pattern, format, minLength = 0 } = schema;
    if (format === "date-time" || format === "date") {
      const years = { min: new Date("1970-01-01"), max: new Date("2200-01-01"), noInvalidDate: true };
      return fc.date(years).map((date) => date.toISOString().slice(0, format === "date" ? 10 : undefined));
    }
    // What the pattern does not tell, the type of the content does.
    if (schema.contentMediaType) return fc.constantFrom(...(schema.examples as string[]));
    const maxLength = Math.min(schema.maxLength ?? schema[MAX_BYTES] ?? CHARACTERS, Math.max(minLength, CHARACTERS));
    const made = pattern === undefined ? fc.string({ minLength, maxLength, unit: "binary" }) : matching(schema);
    const check = this.#ajv.compile(schema);
    const known = this.#known().filter((text) => check(text));
    const whole = made.filter((text) => text.isWellFormed());
    return known.length === 0
      ? whole
      : fc.oneof({ weight: 1, arbitrary: whole }, { weight: 3, arbitrary: fc.constantFrom(...known) });
  }
}

/**
 * Texts of a pattern, or the examples of the schema for one that fast-check cannot read. What look-aheads exclude is left to
 * the check of the whole.
 */
function matching({ pattern = "", examples }: Schema): Arbitrary<string> {
  try {
    return fc.stringMatching(new RegExp(pattern.replace(/\(\?![^)]*\)/g, ""), "u"), { size: "-1" });
  } catch (error) {
    if (!examples) throw error;
    return fc.constantFrom(...(examples as string[]));
  }
}

/** Makes a value wrong in one place, perhaps: without a field, with a field too many, or with another value in it. */
function damage(value: unknown, index: number, other: unknown): unknown {
  if (typeof value !== "object" || value === null) return other;
  const names = Object.keys(value);
  const name = names[index % Math.max(1, names.length)];
  if (Array.isArray(value)) return name === undefined ? [other] : value.with(Number(name), other);
  if (index % 3 === 0 || name === undefined) return { ...value, [`x${index}`]: other };
  const { [name]: _, ...rest } = value as Record<string, unknown>;
  return index % 3 === 1 ? rest : { ...rest, [name]: other };
}
