import { capsuleName } from "#lib/capsules/capsule.ts";
import type { FamilyNode } from "./tree.ts";

/** What people call it. */
export function nodeName(node: FamilyNode): string {
  return node.kind === "template" ? node.name : capsuleName(node);
}

/** What it is, in a word or two. */
export function nodeKind(node: FamilyNode): string {
  if (node.kind === "sandbox") return "capsule";
  return node.type === "base" ? "base system" : "snapshot";
}
