import type { Template } from "@warren/contracts/rest/templates";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

describe("templates", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await TestStack.start(database());
  });
  afterAll(() => stack?.close());

  const create = (body: object, query = "") => stack.call("POST", `/v1/snapshots${query}`, body);
  const list = async (query = "") => (await (await stack.call("GET", `/v1/snapshots${query}`)).json()) as Template[];

  it("makes a template of a running sandbox, which goes on, and starts others from it with its shape", async () => {
    const source = await stack.createSandbox({ vcpus: 2, memory_mb: 1024 });
    const answer = await create({ sandbox_id: source.id, name: "trained" });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({
      name: "trained",
      type: "snapshot",
      vcpus: 2,
      memory_mb: 1024,
      size_bytes: 8192,
    });
    const other = await stack.createSandbox({ template: "trained" });
    expect(other).toMatchObject({ template: "trained", vcpus: 2, memory_mb: 1024, status: "running" });
  });

  it("names a template when the caller does not", async () => {
    const { id } = await stack.createSandbox();
    expect(((await (await create({ sandbox_id: id })).json()) as Template).name).toMatch(/^template-[0-9a-f]{8}$/);
  });

  it("replaces a template only when asked to", async () => {
    const { id } = await stack.createSandbox();
    await create({ sandbox_id: id, name: "twice" });
    expect(await errorOf(await create({ sandbox_id: id, name: "twice" }))).toMatchObject({
      status: 409,
      code: "already_exists",
    });
    expect((await create({ sandbox_id: id, name: "twice" }, "?overwrite=true")).status).toBe(201);
    expect((await list()).filter(({ name }) => name === "twice")).toHaveLength(1);
  });

  it("makes a template of a paused sandbox too, and of nothing else", async () => {
    const { id } = await stack.createSandbox();
    await stack.call("POST", `/v1/sandboxes/${id}/pause`);
    expect((await create({ sandbox_id: id, name: "from-paused" })).status).toBe(201);
    await stack.call("DELETE", `/v1/sandboxes/${id}`);
    expect(await errorOf(await create({ sandbox_id: id, name: "x" }))).toMatchObject({
      status: 409,
      code: "invalid_state",
    });
    expect(await errorOf(await create({ sandbox_id: "sbaaaaaaaaaaaaaaaaaaaa" }))).toMatchObject({ status: 404 });
  });

  it("lists templates by type", async () => {
    expect((await list("?type=base")).map(({ name }) => name)).toContain("minimal");
    expect((await list("?type=snapshot")).map(({ name }) => name)).not.toContain("minimal");
    expect(await errorOf(await stack.call("GET", "/v1/snapshots?type=other"))).toMatchObject({ status: 400 });
  });

  it("deletes a template once, and never a built-in one", async () => {
    const { id } = await stack.createSandbox();
    await create({ sandbox_id: id, name: "short-lived" });
    expect((await stack.call("DELETE", "/v1/snapshots/short-lived")).status).toBe(204);
    expect(await errorOf(await stack.call("DELETE", "/v1/snapshots/short-lived"))).toMatchObject({ status: 404 });
    expect(await errorOf(await stack.call("DELETE", "/v1/snapshots/minimal"))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
    expect(await errorOf(await stack.call("POST", "/v1/sandboxes", { template: "short-lived" }))).toMatchObject({
      status: 404,
      code: "template_not_found",
    });
  });

  it.each([["../up"], [""], ["-x"], ["a".repeat(65)], ["a b"], ["minimal"]])("makes no template %j", async (name) => {
    const { id } = await stack.createSandbox();
    const { status } = await create({ sandbox_id: id, name });
    expect(status).toBe(name === "minimal" ? 409 : 400);
  });
});
