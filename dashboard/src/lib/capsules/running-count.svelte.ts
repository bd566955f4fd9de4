import { answer, api } from "#lib/api/client.ts";
import { session } from "#lib/session/session.svelte.ts";

/** How many capsules of the team run, as the badge shows it: one number for all that show it. */
class CapsuleRunningCount {
  /** Undefined until it is known. */
  value = $state<number>();

  constructor() {
    session.onReset(() => {
      this.value = undefined;
    });
  }

  /** Asks the server, which counts: the list of them all may be long. */
  async refresh(signal?: AbortSignal): Promise<void> {
    const params = { query: { range: "5m" as const } };
    const stats = await answer(api.GET("/v1/sandboxes/stats", signal ? { params, signal } : { params }));
    this.value = stats.current.running_count;
  }

  /** Counts what a page has read anyway, all sandboxes of the team, as the server does: with those that start. */
  set(sandboxes: readonly { status: string }[]): void {
    this.value = sandboxes.filter(({ status }) => status === "running" || status === "starting").length;
  }
}

export const capsuleRunningCount = new CapsuleRunningCount();
