import { listCapsules } from "#lib/capsules/list.ts";
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

  /** Asks the server. */
  async refresh(signal?: AbortSignal): Promise<void> {
    this.set(await listCapsules(signal ? { signal } : {}));
  }

  /** Counts what a page has read anyway: all sandboxes of the team. */
  set(sandboxes: readonly { status: string }[]): void {
    this.value = sandboxes.filter(({ status }) => status === "running").length;
  }
}

export const capsuleRunningCount = new CapsuleRunningCount();
