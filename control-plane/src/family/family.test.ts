import type { Family, FamilyNode } from "@warren/contracts/rest/family";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import type { Template } from "@warren/contracts/rest/templates";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../config.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { Person } from "../testing/person.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

/** From a node up to its root: names of templates, ids of sandboxes. */
function lineOf({ nodes }: Family, id: string): string[] {
  const byId = new Map<string | undefined, FamilyNode>(nodes.map((node) => [node.id, node]));
  const line: string[] = [];
  for (let node = byId.get(id); node; node = byId.get(node.parent)) {
    line.push(node.kind === "template" ? node.name : node.id);
  }
  return line;
}

describe("the family tree", () => {
  const database = testDatabase();
  let stack: TestStack;
  beforeAll(async () => {
    stack = await TestStack.start(database());
  });
  afterAll(() => stack?.close());

  const family = async (query = "") => (await (await stack.call("GET", `/v1/family${query}`)).json()) as Family;
  const destroy = (id: string) => stack.call("DELETE", `/v1/sandboxes/${id}`);
  const makeTemplate = async (sandbox_id: string, name: string, query = "") =>
    (await (await stack.call("POST", `/v1/snapshots${query}`, { sandbox_id, name })).json()) as Template;
  const fork = async (id: string) => {
    const [copy] = (await (await stack.call("POST", `/v1/sandboxes/${id}/fork`)).json()) as { sandbox: Sandbox }[];
    return copy!.sandbox;
  };

  it("tells what came of what, through templates and copies", async () => {
    const first = await stack.createSandbox({ name: "first" });
    expect(await makeTemplate(first.id, "trained")).toMatchObject({ sandbox_id: first.id });
    const second = await stack.createSandbox({ template: "trained" });
    const copy = await fork(second.id);
    expect(copy.forked_from).toBe(second.id);
    const tree = await family();
    expect(tree.complete).toBe(true);
    expect(lineOf(tree, copy.id)).toEqual([copy.id, second.id, "trained", first.id, "minimal"]);
    expect(tree.nodes.find(({ id }) => id === first.id)).toMatchObject({ name: "first", status: "running" });
    expect(tree.nodes.find(({ id }) => id === copy.id)).toMatchObject({ template: "trained" });
  });

  it("keeps what is gone as long as something that lives came of it", async () => {
    const first = await stack.createSandbox();
    await makeTemplate(first.id, "between");
    const last = await stack.createSandbox({ template: "between" });
    await destroy(first.id);
    await stack.call("DELETE", "/v1/snapshots/between");
    const tree = await family();
    expect(lineOf(tree, last.id)).toEqual([last.id, "between", first.id, "minimal"]);
    expect(tree.nodes.find(({ id }) => id === first.id)).toMatchObject({
      status: "stopped",
      ended_at: expect.any(String),
    });
    expect(tree.nodes.find(({ name }) => name === "between")).toMatchObject({ ended_at: expect.any(String) });
    await destroy(last.id);
    expect((await family()).nodes.map(({ id }) => id)).not.toContain(first.id);
    expect(lineOf(await family("?ended=true"), last.id)).toEqual([last.id, "between", first.id, "minimal"]);
    expect(lineOf(await family(`?sandbox_id=${last.id}`), last.id)).toEqual([last.id, "between", first.id, "minimal"]);
  });

  it("tells a template from the one that it replaced", async () => {
    const [former, later] = [await stack.createSandbox(), await stack.createSandbox()];
    await makeTemplate(former.id, "again");
    const early = await stack.createSandbox({ template: "again" });
    await makeTemplate(later.id, "again", "?overwrite=true");
    const late = await stack.createSandbox({ template: "again" });
    const tree = await family();
    expect(lineOf(tree, early.id)).toEqual([early.id, "again", former.id, "minimal"]);
    expect(lineOf(tree, late.id)).toEqual([late.id, "again", later.id, "minimal"]);
    const both = tree.nodes.filter(({ name }) => name === "again");
    expect(both.map(({ ended_at }) => ended_at !== undefined)).toEqual([true, false]);
  });

  it("ends after 2,000 nodes, however long the line is, with those next to what lives", async () => {
    const { id, parent } = (await family()).nodes.find(({ kind }) => kind === "sandbox")!;
    const client = new pg.Client({ connectionString: database().config.databaseUrl });
    await client.connect();
    const idOf = (number: string) => `'sb' || translate(lpad((${number})::text, 20, '0'), '0189', 'abcd')`;
    await client.query(
      `insert into sandboxes (id, team_id, host_id, spec, status, forked_from, created_at)
       select ${idOf("n")}, team_id, host_id, spec, 'stopped', ${idOf("n - 1")}, now() - (4000 - n) * interval '1 second'
       from sandboxes, generate_series(1, 2500) as n where id = $1`,
      [id],
    );
    await client.query(`update sandboxes set forked_from = ${idOf("2500")} where id = $1`, [id]);
    const { nodes, complete } = await family();
    await client.query("update sandboxes set forked_from = null where id = $1", [id]);
    await client.end();
    expect({ count: nodes.length, complete }).toEqual({ count: 2000, complete: false });
    expect(nodes.some((node) => node.id === id && node.parent !== parent)).toBe(true);
  });

  it("shows nothing of other teams", async () => {
    const { id } = await stack.createSandbox();
    const other = await Person.signUp(stack);
    const { nodes } = await other.get<Family>(`/v1/family?ended=true&sandbox_id=${id}`);
    expect(nodes.filter(({ kind }) => kind === "sandbox")).toEqual([]);
  });

  it.each([["sandbox_id=x"], ["ended=2"], ["depth=1"]])("refuses %s", async (query) => {
    const error = await errorOf(await stack.call("GET", `/v1/family?${query}`));
    expect(error).toMatchObject({ status: 400, message: expect.stringContaining(query.split("=")[0]!) });
  });
});

describe("what is gone for long", () => {
  const database = testDatabase();

  /** Makes all that is over as old as it can be under the default, and more. */
  async function age(): Promise<void> {
    const client = new pg.Client({ connectionString: database().config.databaseUrl });
    await client.connect();
    await client.query(
      "update sandboxes set last_updated = now() - interval '366 days' where name is distinct from 'recent'",
    );
    await client.query("update former_templates set ended_at = now() - interval '366 days'");
    await client.end();
  }

  it("is forgotten when nothing came of it; what is known keeps its descent", async () => {
    let stack = await TestStack.start(database());
    const post = async <T>(path: string, body?: object) => (await (await stack.call("POST", path, body)).json()) as T;
    const known = async (id: string) => (await stack.call("GET", `/v1/sandboxes/${id}`)).status;
    try {
      const root = await stack.createSandbox();
      await post("/v1/snapshots", { sandbox_id: root.id, name: "kept" });
      const alive = await stack.createSandbox({ template: "kept" });
      // A line that is over from end to end.
      const dead = await stack.createSandbox();
      const [fork] = await post<{ sandbox: Sandbox }[]>(`/v1/sandboxes/${dead.id}/fork`);
      await post("/v1/snapshots", { sandbox_id: fork!.sandbox.id, name: "forgotten" });
      const end = await stack.createSandbox({ template: "forgotten" });
      const recent = await stack.createSandbox({ name: "recent" });
      for (const { id } of [root, dead, fork!.sandbox, end, recent]) await stack.call("DELETE", `/v1/sandboxes/${id}`);
      for (const name of ["kept", "forgotten"]) await stack.call("DELETE", `/v1/snapshots/${name}`);
      await age();
      await stack.close();
      stack = await TestStack.start(database());
      await expect.poll(() => known(dead.id)).toBe(404);
      expect(await Promise.all([fork!.sandbox, end].map(({ id }) => known(id)))).toEqual([404, 404]);
      expect(await Promise.all([root, alive, recent].map(({ id }) => known(id)))).toEqual([200, 200, 200]);
      const tree = (await (await stack.call("GET", "/v1/family?ended=true")).json()) as Family;
      expect(lineOf(tree, alive.id)).toEqual([alive.id, "kept", root.id, "minimal"]);
      expect(tree.nodes.map(({ name }) => name)).not.toContain("forgotten");
    } finally {
      await stack.close();
    }
  });

  it("is known for a year unless the settings say otherwise", () => {
    const days = (text?: string) => parseConfig({ WARREN_ENDED_RETENTION_DAYS: text }).endedRetentionDays;
    expect([days(), days("120"), days("forever")]).toEqual([365, 120, undefined]);
    for (const bad of ["0", "119", "1.5", "ever"]) expect(() => days(bad)).toThrow("WARREN_ENDED_RETENTION_DAYS");
  });
});
