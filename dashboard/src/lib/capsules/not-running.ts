import { type Capsule, capsuleReason } from "./capsule.ts";

/** States in which a capsule is on its way to another. */
const ON_ITS_WAY: Partial<Record<Capsule["status"], string>> = {
  pending: "The capsule starts: shells and files are there once it runs.",
  starting: "The capsule starts: shells and files are there once it runs.",
  resuming: "The capsule resumes: shells and files are there once it runs.",
  pausing: "The capsule is being paused: what runs in it stands still until it is resumed.",
  stopping: "The capsule is being destroyed.",
};

const PAUSED_AT_LIMIT =
  "The capsule is paused since the team had used all that it may in a month. It can be resumed once the next month has begun, " +
  "or an administrator of the platform has raised the limit; the page Usage tells what is left.";

/** Why a capsule that does not run has no shells and files now, and what to do, to `reader`, a user id. */
export function whyNotRunning(capsule: Pick<Capsule, "status" | "reason" | "error">, reader?: string): string {
  const underWay = ON_ITS_WAY[capsule.status];
  if (underWay !== undefined) return underWay;
  const reason = capsuleReason(capsule, reader);
  const why = reason === undefined ? "" : `: ${reason.replace(/\.$/, "")}`;
  switch (capsule.status) {
    case "paused":
      if (capsule.reason?.code === "usage_limit") return PAUSED_AT_LIMIT;
      return `The capsule is paused${why}. Resume it, and it goes on where it stood.`;
    case "missing":
      return `The capsule cannot be reached${why}. It is here again once its host answers; what it kept is not lost by that.`;
    case "error":
      return `The capsule failed${why}. Its activity tells what happened; it can be destroyed only.`;
    default:
      return `The capsule has stopped${why}. Its memory and files are gone; its activity tells what happened.`;
  }
}

/** Whether what runs in a capsule goes on, now or once it runs again. */
export function mayRunAgain({ status }: Pick<Capsule, "status">): boolean {
  return (
    status === "running" ||
    status === "paused" ||
    status === "missing" ||
    (status in ON_ITS_WAY && status !== "stopping")
  );
}
