import type { Schemas } from "#lib/api/client.ts";

export type FamilyNode = Schemas["Family"]["nodes"][number];

/** What makes the shape of a tree. */
interface Link {
  id: string;
  parent?: string | undefined;
}

/** A node that is to be seen, with its place. */
export interface TreeRow<N extends Link = FamilyNode> {
  node: N;
  /** 1 for roots. */
  level: number;
  /** From 1, among those of the same parent, and how many those are. */
  position: number;
  siblings: number;
  children: number;
  /** Whether its children are to be seen. */
  isOpen: boolean;
}

/** The nodes that are to be seen, from the top: each followed by its children unless it is closed. Orphans are roots. */
export function rowsOf<N extends Link>(nodes: readonly N[], closed: { has(id: string): boolean }): TreeRow<N>[] {
  const ids = new Set(nodes.map(({ id }) => id));
  const childrenOf = Map.groupBy(nodes, ({ parent }) => (parent !== undefined && ids.has(parent) ? parent : undefined));
  const rows: TreeRow<N>[] = [];
  // Lines of descent may be longer than a stack of calls is deep.
  const waiting: { node: N; level: number; position: number; siblings: number }[] = [];
  const push = (parent: string | undefined, level: number) => {
    const siblings = childrenOf.get(parent) ?? [];
    for (const [index, node] of siblings.toReversed().entries()) {
      waiting.push({ node, level, position: siblings.length - index, siblings: siblings.length });
    }
  };
  push(undefined, 1);
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const children = childrenOf.get(next.node.id)?.length ?? 0;
    const isOpen = children > 0 && !closed.has(next.node.id);
    rows.push({ ...next, children, isOpen });
    if (isOpen) push(next.node.id, next.level + 1);
  }
  return rows;
}

/** Ids of what a node came from, the nearest first. */
export function ancestorsOf(nodes: readonly Link[], id: string): string[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const ids: string[] = [];
  let parent = byId.get(id)?.parent;
  while (parent !== undefined && byId.has(parent) && !ids.includes(parent)) {
    ids.push(parent);
    parent = byId.get(parent)?.parent;
  }
  return ids;
}

/** What a node came from, itself, and all that came of it. */
export function lineOf<N extends Link>(nodes: readonly N[], id: string): N[] {
  const wanted = new Set([id, ...ancestorsOf(nodes, id)]);
  const childrenOf = Map.groupBy(nodes, ({ parent }) => parent);
  const waiting = [id];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const child of childrenOf.get(next) ?? []) {
      if (wanted.has(child.id)) continue;
      wanted.add(child.id);
      waiting.push(child.id);
    }
  }
  return nodes.filter((node) => wanted.has(node.id));
}

/** The node that an address names: a sandbox by its id, a template by its id or name, one that is there before one that is gone. */
export function findNode(nodes: readonly FamilyNode[], at: string): FamilyNode | undefined {
  const named = nodes.filter((node) => node.id === at || (node.kind === "template" && node.name === at));
  return named.find(({ ended_at }) => ended_at === undefined) ?? named.at(-1);
}

/** What a key does in a tree whose row at `index` has the focus, as the pattern of trees has it (WAI-ARIA). */
export function keyStep<N extends Link>(
  rows: readonly TreeRow<N>[],
  index: number,
  key: string,
): { focus: string } | { open: string } | { close: string } | undefined {
  const row = rows[index];
  if (!row) return undefined;
  const to = (target: TreeRow<N> | undefined) => (target ? { focus: target.node.id } : undefined);
  switch (key) {
    case "ArrowDown":
      return to(rows[index + 1]);
    case "ArrowUp":
      return to(rows[index - 1]);
    case "Home":
      return to(rows[0]);
    case "End":
      return to(rows.at(-1));
    case "ArrowRight":
      if (row.isOpen) return to(rows[index + 1]);
      return row.children > 0 ? { open: row.node.id } : undefined;
    case "ArrowLeft":
      if (row.isOpen) return { close: row.node.id };
      return to(rows.slice(0, index).findLast(({ level }) => level < row.level));
    default:
      return undefined;
  }
}
