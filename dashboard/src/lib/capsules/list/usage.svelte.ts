import { answer, api, type Schemas } from "#lib/api/client.ts";
import { Query } from "#lib/live/query.svelte.ts";

/** Milliseconds between two questions: a measurement comes every ten seconds. */
const EVERY_MS = 10_000;

/** What one capsule used of late. */
export interface CapsuleUse {
  /** Percent of one processor, oldest first. */
  cpu: readonly number[];
  /** MiB in use in it; that of its microVM where it said nothing. */
  memoryMb: readonly number[];
}

/** What all capsules used in the last five minutes. Without measurements the list does without. To be made in a component. */
export class CapsuleUsage {
  readonly #query = new Query((signal) => answer(api.GET("/v1/sandboxes/metrics", { params: QUERY, signal })), {
    alwaysEveryMs: EVERY_MS,
  });
  readonly #byId = $derived.by(() => usesOf(this.#query.data?.sandboxes ?? []));

  of(id: string): CapsuleUse | undefined {
    return this.#byId.get(id);
  }
}

const QUERY = { query: { range: "5m" } } as const;

function usesOf(sandboxes: Schemas["TeamMetrics"]["sandboxes"]): Map<string, CapsuleUse> {
  return new Map(
    sandboxes.map(({ sandbox_id, series }) => [
      sandbox_id,
      {
        cpu: series.cpu_percent,
        memoryMb: series.memory_mb.map((value, index) => value ?? series.vmm_memory_mb[index] ?? 0),
      },
    ]),
  );
}
