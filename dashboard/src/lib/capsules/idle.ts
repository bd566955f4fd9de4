import { formatDuration } from "#lib/format/time.ts";
import type { Capsule } from "./capsule.ts";

/** What becomes of a capsule when nothing uses it, in short: `pause, 5 min`. */
export function whenIdle({ timeout_sec, on_timeout }: Pick<Capsule, "timeout_sec" | "on_timeout">): string {
  if (timeout_sec === 0) return "runs on";
  return `${on_timeout === "destroy" ? "destroy" : "pause"}, ${formatDuration(timeout_sec)}`;
}
