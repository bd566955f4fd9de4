import { isUtf8 } from "node:buffer";
import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Multipart, MultipartFile } from "@fastify/multipart";
import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { WriteFileFields } from "@warren/contracts/rest/files";
import type { FastifyRequest } from "fastify";
import { compileCheck } from "../http/errors/validation.ts";
import { teamOf } from "../http/slow-clients/bound-clients.ts";
import type { SpoolBudget } from "../http/slow-clients/spool-budget.ts";
import { networkOf } from "../rate-limits/network.ts";

/** A file on its way in. `content` throws when the form turns out not to be valid; what was written must then be dropped. */
export interface Upload {
  fields: WriteFileFields;
  /** Name of the file, without directories: the field's, or else the one that the form gives it. */
  name: string | undefined;
  content: AsyncIterable<Uint8Array>;
}

/** Where uploads come from and how large they may be. */
export interface UploadOptions {
  /** Bytes of the file, and of the whole body when the client tells its length; absent = no limit. */
  maxBytes?: number;
  spool: Spool;
}

/** Where files that arrive before their path wait. */
export interface Spool {
  directory: string;
  budget: SpoolBudget;
}

/** Bytes that are read at once of a file that waited on the disk. */
const SPOOL_CHUNK = 512 * 1024;

/** Bytes of a field: more than any of them may have. */
const FIELD_BYTES = 64 * 1024;

/** What stands in a name for bytes that are no UTF-8: the parser of forms has replaced them. */
const LOST = "\ufffd";

type Parts = Pick<AsyncIterator<Multipart>, "next">;

const checkFields = compileCheck<WriteFileFields>(WriteFileFields, "body");
const FIELD_NAMES = Object.keys(WriteFileFields.properties);

/**
 * Reads a multipart form with the fields of WriteFileFields and one part `file`, and gives it to `store` while it
 * arrives. A file that comes before its path waits on the disk, and is limited to the size of a plain upload.
 */
export async function receiveUpload<T>(
  request: FastifyRequest,
  options: UploadOptions,
  store: (upload: Upload) => Promise<T>,
): Promise<T> {
  const { maxBytes = Number.POSITIVE_INFINITY, spool } = options;
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const parts = openForm(request, maxBytes);
  const fields: Record<string, string> = {};
  const file = await readFields(parts, fields);
  if (!file) throw new WarrenError("invalid_request", "body/file is required: a part of the form with a file");
  // The parser has taken directories off.
  const name: string | undefined = file.filename;
  if (fields.path !== undefined) {
    return store({ ...named(fields, name), content: withRestOfForm(file, parts, maxBytes) });
  }
  const owners = [`team ${teamOf(request.caller)}`, `network ${networkOf(request.ip)}`];
  return spooled(spool, owners, limited(file, Math.min(maxBytes, LIMITS.uploadBytes)), async (content) => {
    const second = await readFields(parts, fields);
    if (second) throw new WarrenError("invalid_request", "body/file must be one file");
    return store({ ...named(fields, name), content });
  });
}

/** The fields, checked, and the name that counts. */
function named(fields: Record<string, string>, filename: string | undefined): Omit<Upload, "content"> {
  const checked = checkFields(fields);
  if (checked.name === undefined && filename !== undefined && (!filename.isWellFormed() || filename.includes(LOST))) {
    throw new WarrenError("invalid_request", "the name of body/file is not UTF-8; give it another as body/name");
  }
  return { fields: checked, name: checked.name ?? filename };
}

function openForm(request: FastifyRequest, maxBytes: number): Parts {
  const form = request.parts({
    // Fields come as they are as well: as text, bytes that are no UTF-8 would have been replaced.
    isPartAFile: () => true,
    limits: { fileSize: maxBytes, fieldNameSize: 100, parts: 10, headerPairs: 20 },
  } as Parameters<FastifyRequest["parts"]>[0]);
  const parts = form[Symbol.asyncIterator]();
  return { next: () => readable(parts.next()) };
}

/** Awaits a piece of a form; faults of the form itself are the client's. */
async function readable<T>(piece: Promise<T>): Promise<T> {
  try {
    return await piece;
  } catch (error) {
    const { statusCode } = error as { statusCode?: number };
    if (error instanceof WarrenError) throw error;
    if (statusCode !== undefined && statusCode < 500) throw error;
    throw new WarrenError("invalid_request", "the body is not a whole multipart form", { cause: error });
  }
}

/** Collects fields up to the file, or to the end of the form. */
async function readFields(parts: Parts, fields: Record<string, string>): Promise<MultipartFile | undefined> {
  for (let next = await parts.next(); !next.done; next = await parts.next()) {
    const part = next.value as MultipartFile;
    if (part.fieldname === "file") return checkFile(part);
    if (!FIELD_NAMES.includes(part.fieldname)) {
      throw new WarrenError("invalid_request", `body/${part.fieldname} is not a known field`);
    }
    if (Object.hasOwn(fields, part.fieldname)) {
      throw new WarrenError("invalid_request", `body/${part.fieldname} must be given once`);
    }
    fields[part.fieldname] = await textOf(part);
  }
  return undefined;
}

/** The text of a field. */
async function textOf(part: MultipartFile): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of limited(part, FIELD_BYTES)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes)) throw new WarrenError("invalid_request", `body/${part.fieldname} is not UTF-8`);
  return bytes.toString("utf8");
}

/** A form whose file input was left empty has a part with an empty file name. */
function checkFile(part: MultipartFile): MultipartFile {
  if (part.filename === "") throw new WarrenError("invalid_request", "body/file has no file");
  return part;
}

/** The content of a file, complete only when the rest of the form is valid too. */
async function* withRestOfForm(file: MultipartFile, parts: Parts, maxBytes: number): AsyncIterable<Uint8Array> {
  yield* limited(file, maxBytes);
  const rest: Record<string, string> = {};
  const second = await readFields(parts, rest);
  if (second) throw new WarrenError("invalid_request", "body/file must be one file");
  const late = Object.keys(rest)[0];
  if (late !== undefined) {
    throw new WarrenError("invalid_request", `body/${late} must be given once, and before body/file`);
  }
}

async function* limited(part: MultipartFile, maxBytes: number): AsyncIterable<Uint8Array> {
  let bytes = 0;
  const chunks = (part.file as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  for (let next = await readable(chunks.next()); !next.done; next = await readable(chunks.next())) {
    bytes += next.value.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    yield next.value;
  }
  if (part.file.truncated) throw tooLarge(maxBytes);
}

/** Keeps content in a file without a name while `use` runs; nothing of it is left, however the process ends. */
async function spooled<T>(
  { directory, budget }: Spool,
  owners: string[],
  content: AsyncIterable<Uint8Array>,
  use: (content: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, randomUUID());
  const file = await open(path, "wx+", 0o600);
  const taken = { bytes: 0 };
  try {
    await unlink(path);
    for await (const chunk of budget.count(owners, content, taken)) await file.writeFile(chunk);
    return await use(createReadStream("", { fd: file, start: 0, autoClose: false, highWaterMark: SPOOL_CHUNK }));
  } finally {
    budget.release(owners, taken);
    await file.close();
  }
}

function tooLarge(maxBytes: number): WarrenError {
  return new WarrenError(
    "too_large",
    `the upload is larger than ${maxBytes} bytes; use files/stream/write, with the path before the file`,
  );
}
