import type { Family, FamilyNode } from "@warren/sdk";
import { expect, onTestFinished, test } from "vitest";
import { StandInServer } from "../testing/stand-in-server.ts";
import { familyTree } from "./family.ts";

const created_at = "2026-01-01T00:00:00.000Z";
const template = (id: string, name: string, more: object = {}) =>
  ({ kind: "template", id, name, type: "snapshot", created_at, ...more }) as FamilyNode;
const sandbox = (id: string, parent?: string, more: object = {}) =>
  ({
    kind: "sandbox",
    id,
    ...(parent && { parent }),
    status: "running",
    template: "x",
    disk_bytes: 0,
    created_at,
    ...more,
  }) as FamilyNode;

const NODES: FamilyNode[] = [
  template("tpl-1", "minimal", { type: "base" }),
  sandbox("sb1", "tpl-1", { name: "box" }),
  sandbox("sb2", "tpl-1", { status: "paused", name: "a\u001b[31mb" }),
  template("tpl-2", "trained", { parent: "sb1", ended_at: created_at }),
  sandbox("sb3", "tpl-2"),
  sandbox("sb4", "sb1"),
  sandbox("sb5", "sb-that-is-not-told-of", { status: "stopped" }),
];
const TREE = [
  "minimal  image",
  "├─ box  sb1  running",
  "│  ├─ trained  template, gone",
  "│  │  └─ sb3  running",
  "│  └─ sb4  running",
  '└─ "a\\u001b[31mb"  sb2  paused',
  "sb5  stopped",
];
const asTree = (lines: string[]) => lines.map((line) => `${line}  ${created_at}\n`).join("");

test("family shows what came of what as a tree, and asks for those that are over", async () => {
  const asked: string[] = [];
  const server = await StandInServer.start(({ url = "" }, response) => {
    asked.push(url);
    response.end(JSON.stringify({ nodes: NODES, complete: false } satisfies Family));
  });
  onTestFinished(() => server.close());
  const { stdout, stderr } = await server.run("family", "--ended");
  expect(stdout).toBe(asTree(TREE));
  expect(stderr).toContain("There is more");
  const json = JSON.parse((await server.run("family", "--json")).stdout);
  expect(json).toEqual({ nodes: NODES, complete: false });
  expect(asked).toEqual(["/v1/family?ended=true", "/v1/family"]);
});

test("a family whose members are each other's parents, or told of twice, has an end", () => {
  const nodes = [sandbox("a", "b"), sandbox("b", "a"), template("c", "c"), template("c", "c", { parent: "c" })];
  expect(familyTree({ nodes, complete: true })).toBe("");
  const line = Array.from({ length: 2000 }, (_, at) => sandbox(`sb${at}`, at === 0 ? undefined : `sb${at - 1}`));
  expect(familyTree({ nodes: line, complete: true }).split("\n")).toHaveLength(2001);
});
