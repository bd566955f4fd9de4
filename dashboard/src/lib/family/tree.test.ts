import { expect, it } from "vitest";
import { ancestorsOf, type FamilyNode, findNode, keyStep, lineOf, rowsOf } from "./tree.ts";

const NODES = [
  { id: "base" },
  { id: "a", parent: "base" },
  { id: "a1", parent: "a" },
  { id: "b", parent: "base" },
  { id: "orphan", parent: "not told" },
];
const shown = (closed: string[] = []) =>
  rowsOf(NODES, new Set(closed)).map(
    ({ node, level, position, siblings }) => `${level} ${node.id} ${position}/${siblings}`,
  );

it("children follow their parents, and what has no parent in the answer is a root", () => {
  expect(shown()).toEqual(["1 base 1/2", "2 a 1/2", "3 a1 1/1", "2 b 2/2", "1 orphan 2/2"]);
});

it("what is below a closed node is not shown", () => {
  expect(shown(["a"])).toEqual(["1 base 1/2", "2 a 1/2", "2 b 2/2", "1 orphan 2/2"]);
  expect(shown(["base"])).toEqual(["1 base 1/2", "1 orphan 2/2"]);
});

it("a line of descent may be as long as an answer", () => {
  const line = Array.from({ length: 20_000 }, (_, index) => ({ id: `${index}`, parent: `${index - 1}` }));
  expect(rowsOf(line, new Set()).at(-1)).toMatchObject({ level: 20_000 });
});

it("what a node came from is told from the nearest on, and ends in a circle too", () => {
  expect(ancestorsOf(NODES, "a1")).toEqual(["a", "base"]);
  expect(
    ancestorsOf(
      [
        { id: "x", parent: "y" },
        { id: "y", parent: "x" },
      ],
      "x",
    ),
  ).toEqual(["y", "x"]);
});

it("the line of one has what it came from and all that came of it, and no sisters", () => {
  expect(lineOf(NODES, "a").map(({ id }) => id)).toEqual(["base", "a", "a1"]);
  expect(lineOf(NODES, "base").map(({ id }) => id)).toEqual(["base", "a", "a1", "b"]);
});

it("a name means the template that is there before those that were", () => {
  const template = (id: string, ended_at?: string) =>
    ({ kind: "template", id, name: "trained", ...(ended_at && { ended_at }) }) as FamilyNode;
  expect(findNode([template("t1", "then"), template("t2"), template("t3", "then")], "trained")?.id).toBe("t2");
  expect(findNode([template("t1", "then"), template("t3", "then")], "trained")?.id).toBe("t3");
  expect(findNode([template("t1", "then")], "t1")?.id).toBe("t1");
});

it("arrow keys go through what is shown, open and close, and lead to the parent", () => {
  const rows = rowsOf(NODES, new Set(["a"]));
  const step = (key: string, id: string) =>
    keyStep(
      rows,
      rows.findIndex(({ node }) => node.id === id),
      key,
    );
  expect(step("ArrowDown", "a")).toEqual({ focus: "b" });
  expect(step("ArrowUp", "base")).toBeUndefined();
  expect(step("ArrowRight", "a")).toEqual({ open: "a" });
  expect(step("ArrowRight", "base")).toEqual({ focus: "a" });
  expect(step("ArrowRight", "b")).toBeUndefined();
  expect(step("ArrowLeft", "base")).toEqual({ close: "base" });
  expect(step("ArrowLeft", "b")).toEqual({ focus: "base" });
  expect(step("ArrowLeft", "orphan")).toBeUndefined();
  expect(step("End", "base")).toEqual({ focus: "orphan" });
});
