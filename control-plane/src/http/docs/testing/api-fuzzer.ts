import { ARCHIVE_END } from "@warren/server/archive";
import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import fc from "fast-check";
import { MAX_BYTES } from "../../errors/validation.ts";
import { type Schema, SchemaValues } from "./schema-values.ts";

interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  schema: Schema;
}

interface Operation {
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

/** A document of the API, as `/openapi.json` has it. */
export interface ApiDocument {
  paths: Record<string, Record<string, Operation>>;
}

/** A request that was made of the document. */
interface Made {
  method: string;
  path: string;
  body: unknown;
  contentType: string | undefined;
  /** Whether all of it is as the document wants it. */
  valid: boolean;
}

/** Who makes requests. */
export interface FuzzCaller {
  /** Headers with the credential for the next request. */
  headers(): Promise<Record<string, string>>;
  /** Told of each answer, such as one that ended the session. */
  answered(status: number): void;
}

/** Most texts of answers that are kept. */
const KNOWN = 400;
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

/**
 * Answers of the state of a sandbox or an account to requests that are valid, with status 400 all the same: a path that
 * leads to a directory, for one, a member who is added again, a cursor of no page, or a time that begins after its end, or is longer than is told.
 */
const STATE_CODES = ["invalid_path"];
const STATE_MESSAGES =
  /is a member already|is not the next_cursor of a page|from must be |which is after the last day|are to be warned before|background must be |is for hosts of type byoc|must name the team of the host/;

/** Makes requests of the document of an API, valid and not, and finds answers that the document does not promise. */
export class ApiFuzzer {
  /** What was found, each kind once. */
  readonly faults = new Map<string, string>();
  /** Operations that have answered valid requests with success. */
  readonly succeeded = new Set<string>();
  readonly operations: { name: string; method: string; path: string; operation: Operation }[];
  readonly #url: string;
  readonly #callers: readonly FuzzCaller[];
  readonly #ajv = new Ajv2020({ strict: false, allErrors: false });
  readonly #known: string[] = [];
  readonly #values: SchemaValues;

  constructor(url: string, document: ApiDocument, callers: readonly FuzzCaller[]) {
    this.#url = url;
    this.#callers = callers;
    ajvFormats.default(this.#ajv);
    const validate = (limit: number, text: string) => Buffer.byteLength(text) <= limit;
    this.#ajv.addKeyword({ keyword: MAX_BYTES, type: "string", validate });
    this.#values = new SchemaValues(this.#ajv, () => this.#known);
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path,
        operation,
      })),
    );
  }

  /** Calls every operation once in each of `rounds`, in an order that follows from `seed`, as do the requests. */
  async run(seed: number, rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const order = fc.shuffledSubarray(this.operations, { minLength: this.operations.length });
      const [operations = []] = fc.sample(order, { seed: seed + round, numRuns: 1 });
      for (const [index, { name, method, path, operation }] of operations.entries()) {
        const [salt = 0] = fc.sample(fc.nat(), { seed: seed + round * 1000 + index, numRuns: 1 });
        const request = this.#make(method, path, operation, salt);
        if (!request) this.#fault(name, "no request could be made of its schemas", "");
        else await this.#try(name, operation, request, this.#callers[salt % this.#callers.length]!);
      }
    }
  }

  #make(method: string, path: string, operation: Operation, seed: number): Made | undefined {
    const [contentType, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
    // One request in four has one fault, in its body or else in a parameter.
    const wrong = seed % 4 === 0;
    const wrongBody = wrong && content !== undefined && contentType === "application/json";
    let filled = path;
    const query = new URLSearchParams();
    let isWrong = false;
    for (const [index, { name, in: place, schema, required }] of (operation.parameters ?? []).entries()) {
      if (place === "header" || (place === "query" && !required && (seed + index) % 2 === 0)) continue;
      const bad: boolean = wrong && !wrongBody && !isWrong && schema.type === "string" && schema.pattern !== undefined;
      const value = bad ? "not valid!" : this.#values.valid(schema, seed + index);
      if (value === undefined) return undefined;
      isWrong ||= bad;
      if (place === "path") filled = filled.replace(`{${name}}`, encodeURIComponent(String(value)));
      else for (const item of [value].flat()) query.append(name, String(item));
    }
    let body: unknown;
    if (content) {
      body = this.#values[wrongBody ? "invalid" : "valid"](content.schema, seed);
      if (body === undefined && !wrongBody) return undefined;
      isWrong ||= wrongBody;
    }
    const search = query.size > 0 ? `?${query}` : "";
    return { method, path: `${filled}${search}`, body, contentType, valid: !isWrong };
  }

  async #try(name: string, operation: Operation, request: Made, caller: FuzzCaller): Promise<void> {
    const response = await this.#send(request, await caller.headers());
    const bytes = await bodyOf(response);
    const { status } = response;
    caller.answered(status);
    const told = `${request.method} ${request.path} ${JSON.stringify(request.body)?.slice(0, 500)} → ${status} ${bytes.toString("utf8", 0, 300)}`;
    if (status >= 500) this.#fault(name, `status ${status}`, told);
    const declared = operation.responses[status] ?? operation.responses[`${String(status)[0]}XX`];
    if (!declared) return this.#fault(name, `undeclared status ${status}`, told);
    if (status < 300 && request.valid) this.succeeded.add(name);
    if (status < 300 && !request.valid) this.#fault(name, "an invalid request was taken", told);
    const answer = this.#check(name, declared.content, response.headers.get("content-type"), bytes, told);
    if (status === 400 && request.valid && !isOfState(answer)) this.#fault(name, "a valid request was refused", told);
    if (status < 300) this.#learn(answer);
  }

  #send({ method, path, body, contentType }: Made, headers: Record<string, string>): Promise<Response> {
    const init: RequestInit = { method, redirect: "manual", headers };
    if (body === undefined) return fetch(`${this.#url}${path}`, init);
    if (contentType === "application/x-tar") {
      init.headers = { ...headers, "content-type": contentType };
      return fetch(`${this.#url}${path}`, { ...init, body: ARCHIVE_END as Uint8Array<ArrayBuffer> });
    }
    if (contentType !== "multipart/form-data") {
      init.headers = { ...headers, "content-type": contentType ?? "application/json" };
      return fetch(`${this.#url}${path}`, { ...init, body: JSON.stringify(body) });
    }
    const form = new FormData();
    for (const [name, value] of Object.entries(body as Record<string, unknown>)) {
      form.append(name, name === "file" ? new Blob([String(value)]) : String(value));
    }
    return fetch(`${this.#url}${path}`, { ...init, body: form });
  }

  /** Compares the body of an answer with what is declared; the result is the body when it is JSON. */
  #check(
    name: string,
    content: Record<string, { schema: Schema }> | undefined,
    type: string | null,
    bytes: Buffer,
    told: string,
  ): unknown {
    if (!content) {
      if (bytes.length > 0) this.#fault(name, "an undeclared body", told);
      return undefined;
    }
    const declared = content[type?.split(";")[0]?.trim() ?? ""];
    if (!declared) {
      this.#fault(name, `undeclared content type ${type}`, told);
      return undefined;
    }
    if (!type?.startsWith("application/json")) return undefined;
    const answer: unknown = JSON.parse(bytes.toString("utf8"));
    const validate = this.#ajv.compile(closed(declared.schema) as Schema);
    if (!validate(answer)) this.#fault(name, `undeclared shape: ${this.#ajv.errorsText(validate.errors)}`, told);
    return answer;
  }

  /** Keeps texts of an answer for later requests: ids, names, addresses, but no times, of which a series has many. */
  #learn(value: unknown): void {
    if (typeof value === "string" && TIME.test(value)) return;
    if (typeof value === "string" && value !== "" && value.length < 100 && !this.#known.includes(value)) {
      this.#known.push(value);
      if (this.#known.length > KNOWN) this.#known.splice(0, KNOWN / 2);
    } else if (typeof value === "object" && value !== null) {
      for (const inner of Object.values(value)) this.#learn(inner);
    }
  }

  #fault(name: string, kind: string, told: string): void {
    const key = `${name}: ${kind}`;
    if (!this.faults.has(key)) this.faults.set(key, told);
  }
}

/** The body of an answer; of a stream, which has no end, what comes first. */
async function bodyOf(response: Response): Promise<Buffer> {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    return Buffer.from(await response.arrayBuffer());
  }
  const reader = response.body!.getReader();
  const { value = new Uint8Array() } = await reader.read();
  await reader.cancel();
  return Buffer.from(value);
}

function isOfState(answer: unknown): boolean {
  const { code, message } = (answer as { error: { code: string; message: string } }).error;
  return STATE_CODES.includes(code) || STATE_MESSAGES.test(message);
}

/** A schema whose objects have no other fields than those that it names. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  const isObject =
    inner.type === "object" && inner.properties !== undefined && inner.additionalProperties === undefined;
  return isObject ? { ...inner, additionalProperties: false } : inner;
}
