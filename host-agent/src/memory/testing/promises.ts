import { expect } from "vitest";
import { collectGarbage } from "../store/garbage.ts";
import type { MemoryStore } from "../store/store.ts";
import { readMemory } from "./read-memory.ts";
import type { Ledger } from "./workload.ts";

/** Facts that a test remembers about a store. */
export interface Promises extends Pick<Ledger, "content"> {
  /** Headers that must be there. */
  readonly promised: ReadonlySet<string>;
}

/**
 * Checks a store that was just opened after a crash: every promised header is there and intact; any other that shows is
 * whole too; and once those are released, nothing is left but what the promised ones need.
 */
export async function expectPromisesKept(store: MemoryStore, { promised, content }: Promises): Promise<void> {
  const listed = await store.list();
  expect(listed).toEqual(expect.arrayContaining([...promised]));
  for (const id of listed) {
    await store.verify(id);
    expect((await readMemory(store, id)).equals(content(id))).toBe(true);
    if (!promised.has(id)) await store.release(id);
  }
  expect((await collectGarbage(store)).damaged).toEqual([]);
  const needed = new Set<string>();
  for (const id of promised) for (const layer of (await store.open(id)).layers) needed.add(`${layer.id}.layer`);
  expect((await store.files.list(store.layerDirectory)).toSorted()).toEqual([...needed].toSorted());
  expect((await store.files.list(store.headerDirectory)).toSorted()).toEqual(
    [...promised].map((id) => `${id}.header`).toSorted(),
  );
}
