import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

/** Requests that need a sandbox which is not over, by what they ask for. */
const REQUESTS: [what: string, method: string, path: string, body?: object][] = [
  ["ping", "POST", "/ping"],
  ["exec", "POST", "/exec", { cmd: "true" }],
  ["files/read", "POST", "/files/read", { path: "x" }],
  ["files/list", "POST", "/files/list", { path: "" }],
  ["files/remove", "POST", "/files/remove", { path: "x" }],
  ["pause", "POST", "/pause"],
  ["resume", "POST", "/resume"],
  ["rollback", "POST", "/rollback"],
  ["fork", "POST", "/fork"],
  ["a change of its name", "PATCH", "", { name: "late" }],
  ["a change of its timeout", "PATCH", "", { timeout_sec: 60 }],
  ["a template of it", "POST", "snapshots"],
];

describe("a sandbox that is over", () => {
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

  const ask = (id: string, [what, method, path, body]: (typeof REQUESTS)[number]) =>
    what === "a template of it"
      ? stack.call("POST", "/v1/snapshots", { sandbox_id: id })
      : stack.call(method, `/v1/sandboxes/${id}${path}`, body);
  const get = async (id: string) => (await (await stack.call("GET", `/v1/sandboxes/${id}`)).json()) as Sandbox;

  it.each(REQUESTS)("refuses %s and names its state, as long as there is a record of it", async (...request) => {
    const { id } = await stack.createSandbox();
    await stack.call("DELETE", `/v1/sandboxes/${id}`);
    expect(await errorOf(await ask(id, request))).toMatchObject({
      status: 409,
      code: "invalid_state",
      message: expect.stringContaining("the sandbox is stopped"),
    });
    expect(await errorOf(await ask("sbaaaaaaaaaaaaaaaaaaaa", request))).toMatchObject({
      status: 404,
      code: "not_found",
    });
  });

  it.each(REQUESTS.filter(([what]) => what !== "a change of its name"))(
    "refuses %s when its host alone knows that it is over",
    async (...request) => {
      const { id } = await stack.createSandbox();
      await stack.host.guest(id).destroy();
      stack.host.guests.delete(id);
      expect(await errorOf(await ask(id, request))).toMatchObject({
        status: 409,
        code: "invalid_state",
        message: expect.stringContaining("the sandbox is stopped"),
      });
      expect((await get(id)).status).toBe("stopped");
    },
  );

  it("says why it is over, to whoever wants to use it and to whoever looks for its name", async () => {
    const { id } = await stack.createSandbox({ name: "gone", metadata: { job: "5", step: "2" } });
    const message = "its kernel panicked: sysrq triggered crash";
    const reason = { code: "guest_panicked", message, atUnixMs: 0n };
    Object.assign(stack.host.guest(id), { status: "stopped", reason });
    stack.host.announce(id);
    await expect.poll(async () => (await get(id)).status).toBe("stopped");
    for (const request of [REQUESTS[1]!, REQUESTS[6]!, REQUESTS[9]!]) {
      const { code, message: said } = await errorOf(await ask(id, request));
      expect({ code, said }).toEqual({
        code: "invalid_state",
        said: expect.stringContaining(`is stopped (${message})`),
      });
    }
    const list = async (query: string) => {
      const listed = (await (await stack.call("GET", `/v1/sandboxes?${query}`)).json()) as Sandbox[];
      return listed.map((sandbox) => [sandbox.id, sandbox.reason?.code]);
    };
    expect(await list("name=gone")).toEqual([]);
    expect(await list("name=gone&ended=true")).toEqual([[id, "guest_panicked"]]);
    expect(await list("ended=true&metadata=job=5&metadata=step=2")).toEqual([[id, "guest_panicked"]]);
    expect(await list("ended=true&metadata=job=5&metadata=step=3")).toEqual([]);
    const live = await stack.createSandbox({ name: "gone" });
    expect(await list("name=gone")).toEqual([[live.id, undefined]]);
    expect(await list("name=gone&ended=true")).toEqual([[id, "guest_panicked"]]);
  });
});
