import type { Schemas } from "#lib/api/client.ts";
import { shortId } from "#lib/format/id.ts";

export type Capsule = Schemas["Sandbox"];

/** What people call it: its name, or its id, short. */
export function capsuleName({ name, id }: Pick<Capsule, "name" | "id">): string {
  return name ?? shortId(id);
}

/** Several of them in one word: the name of one, or how many. */
export function capsuleNames(capsules: readonly Pick<Capsule, "name" | "id">[]): string {
  const [only] = capsules;
  return only && capsules.length === 1 ? capsuleName(only) : `${capsules.length} capsules`;
}

/** Address of its page. */
export function capsulePath(id: string): string {
  return `/dashboard/capsules/${id}`;
}

/** Why it is as it is: in its own words to `reader`, a user id, or in short what a line on all pages says at length. */
export function capsuleReason(
  { reason, error, status }: Pick<Capsule, "reason" | "error" | "status">,
  reader?: string,
): string | undefined {
  if (reason?.user_id !== undefined && reason.user_id === reader) return "asked for by you";
  if (reason?.code === "usage_limit") return "usage limit of the team reached";
  return reason?.message ?? error ?? (status === "missing" ? "its host does not answer" : undefined);
}

/** What can be done with a capsule. */
export type CapsuleAction = "pause" | "pauseAndSnapshot" | "resume" | "snapshot" | "fork" | "destroy";

const ACTIONS: Partial<Record<Capsule["status"], readonly CapsuleAction[]>> = {
  running: ["pause", "pauseAndSnapshot", "fork", "destroy"],
  paused: ["resume", "snapshot", "destroy"],
};

/** What can be done with one in its state, from what one does most to what ends it. */
export function actionsOf({ status }: Pick<Capsule, "status">): readonly CapsuleAction[] {
  if (status === "stopped" || status === "stopping") return [];
  return ACTIONS[status] ?? ["destroy"];
}

/** Why one that is paused is not copied. */
export const FORK_RUNNING = "Only a running capsule is copied: resume it first";

/** Those of some that something can be done with. */
export function ableTo(action: CapsuleAction, capsules: readonly Capsule[]): Capsule[] {
  return capsules.filter((capsule) => actionsOf(capsule).includes(action));
}

/** How many run and how many are paused. */
export function countByState(capsules: readonly Pick<Capsule, "status">[]): { running: number; paused: number } {
  let running = 0;
  let paused = 0;
  for (const { status } of capsules) {
    if (status === "running") running += 1;
    else if (status === "paused") paused += 1;
  }
  return { running, paused };
}
