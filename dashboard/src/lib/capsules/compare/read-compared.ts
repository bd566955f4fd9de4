import { ApiError } from "#lib/api/api-error.ts";
import { answer, api } from "#lib/api/client.ts";
import type { StatsRange } from "#lib/stats/ranges.ts";
import type { Capsule } from "../capsule.ts";
import type { MetricSeries } from "../metrics/metric-points.ts";

/** A capsule of a comparison; without a status there is none of this id in the team. */
export type Compared = Pick<Capsule, "id" | "name"> & Partial<Pick<Capsule, "status">>;

/** What a capsule is called and how it is. */
export async function readCapsule(id: string, signal: AbortSignal): Promise<Compared> {
  const capsule = await found(answer(api.GET("/v1/sandboxes/{id}", { params: { path: { id } }, signal })));
  return capsule ?? { id };
}

/** What it used; undefined when there is no such capsule. */
export async function readMetrics(
  id: string,
  range: StatsRange,
  signal: AbortSignal,
): Promise<MetricSeries | undefined> {
  const params = { path: { id }, query: { range } };
  return (await found(answer(api.GET("/v1/sandboxes/{id}/metrics", { params, signal }))))?.series;
}

/** An answer; undefined when there is nothing of that id. One that is not there must not hide the others. */
async function found<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && error.code === "not_found") return undefined;
    throw error;
  }
}
