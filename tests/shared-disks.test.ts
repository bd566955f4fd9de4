import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openFiles, writableFiles } from "@warren/host-agent/vmm/testing/attack";
import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readRecords } from "./support/host-state.ts";
import { outputOf, post } from "./support/requests.ts";
import { type Stack, startStack } from "./support/stack.ts";

const MIB = 1024 * 1024;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ WARREN_WARM_POOL: "0" });
});
afterAll(() => stack?.dispose());

const forkOf = async ({ id }: Sandbox) => {
  const [copy] = (await post(stack, `sandboxes/${id}/fork`, { count: 1 })) as { sandbox: { id: string } }[];
  return stack.warren.sandboxes.get(copy!.sandbox.id);
};
const vmmOf = ({ id }: Sandbox) => readRecords(stack.directory).find((record) => record.id === id)!.process!.pid;
const write = (sandbox: Sandbox, file: string) =>
  outputOf(sandbox, `head -c ${4 * MIB} /dev/urandom > /root/${file}; sync; sha256sum /root/${file}`);
/** What the disk has of a file, whatever the guest remembers of it. */
const read = (sandbox: Sandbox, file: string) =>
  outputOf(sandbox, `sync; echo 3 > /proc/sys/vm/drop_caches; sha256sum /root/${file}`);

/** What tells whether two names are of one file. */
const identity = (path: string) => {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
};

/** Files that others than a VMM read: what snapshots rest on, and what other VMMs have open. */
function readByOthers(vmm: number): Set<string> {
  const snapshots = readdirSync(join(stack.directory, "snapshots"));
  const layers = snapshots.flatMap((name): string[] => {
    return JSON.parse(readFileSync(join(stack.directory, "snapshots", name, "manifest.json"), "utf8")).disk.layers;
  });
  const others = readRecords(stack.directory)
    .flatMap(({ process }) => process?.pid ?? [])
    .filter((pid) => pid !== vmm);
  const files = others.flatMap((pid) => openFiles(pid).map(({ fd }) => `/proc/${pid}/fd/${fd}`));
  return new Set([...layers.map((id) => join(stack.directory, "disks", `${id}.qcow2`)), ...files].map(identity));
}

it("the VMM of a sandbox that was copied can write nothing that its copies and templates read", async () => {
  const source = await stack.warren.sandboxes.create({ memoryMb: 128 });
  const first = await write(source, "first");
  const copy = await forkOf(source);
  const second = await write(source, "second");
  // Another host agent knows as much of what the VMM holds.
  await stack.hostAgent.kill();
  await stack.startHostAgent();
  await post(stack, "snapshots", { sandbox_id: source.id, name: "copied" });
  expect(await read(source, "first")).toBe(first);

  const vmm = vmmOf(source);
  const writable = writableFiles(vmm);
  const shared = readByOthers(vmm);
  // Its top layer, and the two former ones.
  expect(writable.length).toBeGreaterThanOrEqual(3);
  expect(writable.filter(({ fd }) => shared.has(identity(`/proc/${vmm}/fd/${fd}`)))).toEqual([]);
  for (const { fd } of writable) {
    const file = `/proc/${vmm}/fd/${fd}`;
    writeFileSync(file, Buffer.alloc(statSync(file).size, "x"), { flag: "r+" });
  }
  expect(await read(copy, "first")).toBe(first);
  const started = await stack.warren.sandboxes.create({ template: "copied" });
  expect(`${await read(started, "first")}\n${await read(started, "second")}`).toBe(`${first}\n${second}`);
  await source.destroy();
  expect(await read(copy, "first")).toBe(first);
});

it("a sandbox that was copied is paused, resumed and copied again with all it wrote", async () => {
  const source = await stack.warren.sandboxes.create({ memoryMb: 128 });
  const sums: string[] = [];
  const files: string[] = [];
  let last = source;
  for (let round = 0; round < 3; round++) {
    files.push(`file${round}`);
    sums.push(await write(source, `file${round}`));
    last = await forkOf(source);
    await source.pause();
    await source.resume();
  }
  for (const sandbox of [source, last]) {
    for (const [index, file] of files.entries()) expect(await read(sandbox, file)).toBe(sums[index]);
  }
  // What the VMM held of its own is gone with it.
  const kept = readdirSync(join(stack.directory, "sandboxes", source.id, "jail"));
  expect(kept.filter((name) => name.endsWith(".qcow2"))).toEqual([]);
});
