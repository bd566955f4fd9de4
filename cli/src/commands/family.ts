import type { Family, FamilyNode } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { runningServer } from "../servers/connection.ts";
import { findSandbox } from "../servers/find-sandbox.ts";
import { warn } from "../terminal/messages.ts";
import { jsonText, printableName } from "../terminal/printable.ts";

interface FamilyOptions {
  dataDir: string;
  ended?: boolean;
  json?: boolean;
}

/** `warren family`: what came of what, as a tree. */
export function familyCommand(finish: (status: number) => void): Command {
  return new Command("family")
    .summary("what came of what: templates, sandboxes started from them, copies and templates of those")
    .argument("[sandbox]", "id or name of a sandbox that is to be in the tree, though it is over")
    .addOption(dataDirOption())
    .option("--ended", "also the newest that are over")
    .option("--json", "print a JSON object")
    .action(async (named: string | undefined, { dataDir, ended, json }: FamilyOptions) => {
      const warren = await runningServer(dataDir);
      const sandbox = named === undefined ? undefined : await findSandbox(warren, named);
      const family = await warren.family({ ...(ended && { ended }), ...(sandbox && { sandbox: sandbox.id }) });
      process.stdout.write(json ? `${jsonText(family)}\n` : familyTree(family));
      if (!json && !family.complete) warn("There is more: these are the newest, with what they were made of.");
      finish(0);
    });
}

/** A line for each, below what it was made of. */
export function familyTree({ nodes }: Family): string {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const children = Map.groupBy(byId.values(), ({ parent }) => (parent !== undefined && byId.has(parent) ? parent : ""));
  const lines: string[] = [];
  /** What is still to be written, the next one last. */
  const rest = (children.get("") ?? []).map((node) => ({ node, first: "", others: "" })).reverse();
  for (let next = rest.pop(); next; next = rest.pop()) {
    const { node, first, others } = next;
    lines.push(`${first}${textOf(node)}\n`);
    const below = children.get(node.id) ?? [];
    const last = below.length - 1;
    for (const [index, child] of [...below.entries()].reverse()) {
      const isLast = index === last;
      rest.push({
        node: child,
        first: `${others}${isLast ? "└─ " : "├─ "}`,
        others: `${others}${isLast ? "   " : "│  "}`,
      });
    }
  }
  return lines.join("");
}

function textOf(node: FamilyNode): string {
  const made = node.created_at;
  if (node.kind === "template") {
    const gone = node.ended_at === undefined ? "" : ", gone";
    return `${printableName(node.name)}  ${node.type === "base" ? "image" : "template"}${gone}  ${made}`;
  }
  const name = node.name === undefined ? node.id : `${printableName(node.name)}  ${node.id}`;
  return `${name}  ${node.status}  ${made}`;
}
