import { LIMITS } from "@warren/contracts/limits";
import { ExecRequest } from "@warren/contracts/rest/commands";
import { CreateSandbox } from "@warren/contracts/rest/sandboxes";
import fc from "fast-check";
import Fastify, { type FastifyInstance } from "fastify";
import { Type } from "typebox";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createValidatorCompiler, formatSchemaErrors } from "./validation.ts";

let app: FastifyInstance;
beforeAll(async () => {
  app = Fastify({ schemaErrorFormatter: formatSchemaErrors });
  app.setValidatorCompiler(createValidatorCompiler());
  app.setErrorHandler((error: { status?: number; statusCode?: number; message: string }, _request, reply) =>
    reply.code(error.status ?? error.statusCode ?? 500).send(error.message),
  );
  app.post("/create", { schema: { body: CreateSandbox } }, async (request) => request.body);
  app.post("/exec", { schema: { body: ExecRequest } }, async (request) => request.body);
  const query = Type.Object({ limit: Type.Optional(Type.Integer({ maximum: 200 })) }, { additionalProperties: false });
  app.get("/list", { schema: { querystring: query } }, async (request) => request.query);
  await app.ready();
});
afterAll(() => app.close());

const post = (url: string, payload: unknown) =>
  app.inject({
    method: "POST",
    url,
    headers: { "content-type": "application/json" },
    payload: JSON.stringify(payload),
  });

describe("query strings", () => {
  it("are coerced to the type of their schema, and checked", async () => {
    expect((await app.inject("/list?limit=5")).json()).toEqual({ limit: 5 });
    const bad = await app.inject("/list?limit=x");
    expect([bad.statusCode, bad.body]).toEqual([400, 'querystring/limit must be integer, not "x"']);
    expect((await app.inject("/list?limits=5")).body).toBe("querystring/limits is not a known field");
  });
});

describe("bodies", () => {
  it("get the defaults of their schema", async () => {
    const defaults = { template: "minimal", timeout_sec: 0 };
    expect((await post("/create", {})).json()).toMatchObject(defaults);
    expect((await post("/create", { vcpus: 2 })).json()).toMatchObject({ ...defaults, vcpus: 2 });
  });

  it("are refused with the path of the field, or taken as they are: any JSON", async () => {
    const field = fc.constantFrom("template", "vcpus", "memory_mb", "timeout_sec", "env", "cmd", "args", "cwd", "x");
    const body = fc.oneof(fc.jsonValue(), fc.dictionary(field, fc.jsonValue(), { maxKeys: 4 }));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("/create", "/exec"), body, async (url, value) => {
        const response = await post(url, value);
        expect([200, 400]).toContain(response.statusCode);
        if (response.statusCode === 400) expect(response.body).toMatch(/^body|JSON|__proto__|constructor/);
        else expect(response.json()).toMatchObject(value as object);
      }),
      { seed: 20_260_821, numRuns: 500 },
    );
  });

  it("hold numbers only within their limits, whatever the number", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer()), async (vcpus) => {
        const { min, max } = LIMITS.vcpus;
        const fits = Number.isInteger(vcpus) && vcpus >= min && vcpus <= max;
        expect((await post("/create", { vcpus })).statusCode).toBe(fits ? 200 : 400);
      }),
      { seed: 20_260_821, numRuns: 300 },
    );
  });

  it("count the bytes of texts, not their characters", async () => {
    const characters = Math.floor(LIMITS.execArgBytes / 2);
    expect((await post("/exec", { cmd: "é".repeat(characters) })).statusCode).toBe(200);
    const response = await post("/exec", { cmd: "é".repeat(characters + 1) });
    expect(response.body).toBe(`body/cmd must have at most ${LIMITS.execArgBytes} bytes`);
  });
});
