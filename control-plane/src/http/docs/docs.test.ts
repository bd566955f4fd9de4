import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { createDatabase, type TestDatabase } from "../../database/testing/test-database.ts";
import { TestStack } from "../../testing/test-stack.ts";

let database: TestDatabase;
let stack: TestStack;
beforeAll(async () => {
  database = await createDatabase();
  stack = await TestStack.start(database);
});
afterAll(async () => {
  await stack?.close();
  await database?.remove();
});

interface Operation {
  summary?: string;
  parameters?: object[];
  requestBody?: { content: Record<string, { schema: { properties: Record<string, object> } }> };
  responses: Record<string, { content?: Record<string, object> }>;
  security?: object[];
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
}

const get = (path: string) => fetch(`${stack.url}${path}`);

it("serves one OpenAPI 3.1 document as YAML and JSON, which is valid", async () => {
  const yaml = await get("/openapi.yaml");
  expect(yaml.headers.get("content-type")).toContain("application/yaml");
  const document = parse(await yaml.text()) as Document;
  expect(document.openapi).toBe("3.1.0");
  expect(await (await get("/openapi.json")).json()).toEqual(document);
  const result = await new Validator().validate(document as never);
  expect(result.errors ?? []).toEqual([]);
});

it("has valid JSON Schemas only, which the server takes as they are", async () => {
  const document = await (await get("/openapi.json")).json();
  const ajv = new Ajv2020({ strict: false });
  const invalid = schemasIn(document).filter((schema) => !ajv.validateSchema(schema));
  expect(invalid).toEqual([]);
  expect(schemasIn(document).length).toBeGreaterThan(100);
  expect(ajv.validateSchema({ type: "string", minLength: "1" })).toBe(false);
});

it("describes every route of the API, with a summary", async () => {
  const document = (await (await get("/openapi.json")).json()) as Document;
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{([^}]+)\}/g, ":$1")}`),
  );
  const hidden = /^(HEAD|OPTIONS) |\/docs|\/openapi|\*/;
  const routes = stack.controlPlane.routes.filter((route) => !hidden.test(route));
  expect(described.sort()).toEqual([...new Set(routes)].sort());
  const silent = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).filter((operation) => !operation.summary),
  );
  expect(silent).toEqual([]);
});

it("describes uploads as forms and downloads as bytes", async () => {
  const { paths } = (await (await get("/openapi.json")).json()) as Document;
  const write = paths["/v1/sandboxes/{id}/files/write"]?.post;
  expect(Object.keys(write?.requestBody?.content["multipart/form-data"]?.schema.properties ?? {})).toEqual([
    "path",
    "name",
    "user",
    "mode",
    "modified_at",
    "file",
  ]);
  const read = paths["/v1/sandboxes/{id}/files/read"]?.post;
  expect(Object.keys(read?.responses["200"]?.content ?? {})).toEqual(["application/octet-stream"]);
});

it("serves the Swagger UI with nothing from elsewhere", async () => {
  const page = await get("/docs");
  expect(page.status).toBe(200);
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toMatch(/https?:|upgrade-insecure-requests/);
  const html = await page.text();
  const references = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
  expect(references.length).toBeGreaterThan(3);
  for (const reference of references) {
    const url = new URL(reference, page.url);
    expect(url.origin).toBe(stack.url);
    expect((await fetch(url)).status).toBe(200);
  }
  const initializer = references.find((reference) => reference.includes("initializer"))!;
  const script = await (await fetch(new URL(initializer, page.url))).text();
  expect(script).toContain('"validatorUrl":null');
});

it("says in words what each pattern of a request means", async () => {
  const { paths } = (await (await get("/openapi.json")).json()) as Document;
  const mute: unknown[] = [];
  const walk = (schema: unknown): void => {
    if (typeof schema !== "object" || schema === null) return;
    if ("pattern" in schema && typeof schema.pattern === "string" && !("x-words" in schema)) mute.push(schema);
    for (const inner of Object.values(schema)) walk(inner);
  };
  for (const operation of Object.values(paths).flatMap((methods) => Object.values(methods))) {
    walk([operation.requestBody, operation.parameters]);
  }
  expect(mute).toEqual([]);
});

/** What stands under `schema` in a document, or in its components. */
function schemasIn(value: unknown): object[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === "schema") return [inner as object];
    return key === "schemas" ? Object.values<object>(inner) : schemasIn(inner);
  });
}
