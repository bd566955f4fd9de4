import { WarrenError } from "@warren/contracts/errors";
import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";

/**
 * What is in a backup, a tar archive compressed with gzip:
 *
 *     manifest.json             what it is, of which schema, with which tables
 *     tables/NAME/000001…       rows of each table as COPY writes them (text format), in parts that make one text together
 *     totals.json               rows, bytes and SHA-256 of each table; values of the sequences
 *
 * The totals stand at the end because nothing of a table is known before it has been read, and nothing is written twice.
 * A backup without them has broken off.
 */
export const FORMAT = 1;

export const MANIFEST = "manifest.json";
export const TOTALS = "totals.json";

/** Bytes of a part of a table, but for the last one. */
export const PART_BYTES = 1024 * 1024;
/** Bytes that a row may have: many times of what the API lets into one. */
export const MAX_ROW_BYTES = 16 * 1024 * 1024;
/** Bytes of manifest and totals. */
export const MAX_JSON_BYTES = 1024 * 1024;

const NAME = Type.String({ pattern: "^[a-z_][a-z0-9_]{0,62}$" });
const SHA256 = Type.String({ pattern: "^[0-9a-f]{64}$" });
const COUNT = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const CLOSED = { additionalProperties: false };

export const ManifestSchema = Type.Object(
  {
    format: Type.Literal(FORMAT),
    /** Version of Warren that wrote it. */
    warren: Type.String({ pattern: "^[0-9A-Za-z.+-]{1,64}$" }),
    created_at: Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$" }),
    /** Major version of the PostgreSQL server that held the database. */
    server_major: Type.Integer({ minimum: 1, maximum: 1000 }),
    /** Those that made the schema, in their order. */
    migrations: Type.Array(Type.Object({ name: Type.String({ maxLength: 255 }), checksum: SHA256 }, CLOSED), {
      minItems: 1,
      maxItems: 9999,
    }),
    tables: Type.Array(
      Type.Object({ name: NAME, columns: Type.Array(NAME, { minItems: 1, maxItems: 1600 }) }, CLOSED),
      { maxItems: 1000 },
    ),
  },
  CLOSED,
);
export type Manifest = Static<typeof ManifestSchema>;
export type BackedUpTable = Manifest["tables"][number];

export const TotalsSchema = Type.Object(
  {
    manifest_sha256: SHA256,
    tables: Type.Array(Type.Object({ name: NAME, rows: COUNT, bytes: COUNT, sha256: SHA256 }, CLOSED), {
      maxItems: 1000,
    }),
    sequences: Type.Array(
      Type.Object({ name: NAME, value: Type.String({ pattern: "^-?\\d{1,19}$" }), is_called: Type.Boolean() }, CLOSED),
      { maxItems: 1000 },
    ),
  },
  CLOSED,
);
export type Totals = Static<typeof TotalsSchema>;

/** Path of a part of a table, which counts from 1. */
export function partPath(table: string, part: number): string {
  return `tables/${table}/${String(part).padStart(6, "0")}`;
}

/** Reads a document of a backup; throws when it is none of this schema. */
export function parseDocument<S extends TSchema>(path: string, schema: S, text: string): Static<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged(`its ${path} is not JSON`);
  }
  if (Value.Check(schema, value)) return value;
  if (path === MANIFEST && isOfLaterFormat(value)) {
    throw new WarrenError(
      "conflict",
      "the backup has a format of a newer Warren, which this one does not know; use that version",
    );
  }
  throw damaged(`its ${path} is not one of a backup`);
}

function isOfLaterFormat(value: unknown): boolean {
  return typeof value === "object" && value !== null && "format" in value && Number(value.format) > FORMAT;
}

/** Of a file that cannot be restored. */
export function damaged(how: string, cause?: unknown): WarrenError {
  return new WarrenError(
    "invalid_request",
    `the backup is damaged, or none of Warren: ${how}; nothing was changed`,
    cause === undefined ? undefined : { cause },
  );
}
