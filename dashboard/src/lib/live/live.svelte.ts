import { session } from "#lib/session/session.svelte.ts";
import { followTeam } from "./follow-team.ts";
import type { StreamMessage } from "./team-stream.ts";

/** A change of something of the team, as the stream of events tells of it. */
export interface LiveEvent {
  /** What it is about. `reset`: events were lost, so that whatever is known may be another by now. */
  type: Extract<StreamMessage, { kind: "event" }>["type"] | "reset";
  action?: "created" | "changed" | "deleted";
  /** Id of what has changed, or name of the template. */
  id?: string;
  /** Status of a sandbox after the change. */
  status?: string;
  /** What has changed as the API shows it elsewhere; absent when it is gone. */
  resource?: unknown;
}

type Listener = (event: LiveEvent) => void;

/**
 * The team's events as they happen, by one stream for all tabs, which is open while something listens and the session is
 * the same. Where the server has no stream, or while it is broken, `connected` is false: then one asks now and again.
 */
class Live {
  connected = $state(false);

  readonly #listeners = new Set<Listener>();
  #leave: (() => void) | undefined;

  constructor() {
    session.onReset(() => this.#close());
    // A page that the browser keeps for the way back reads nothing meanwhile.
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted) this.#open();
    });
  }

  /** Calls for each event until the returned function is called. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.#open();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#close();
    };
  }

  #open(): void {
    if (this.#leave || this.#listeners.size === 0) return;
    this.#leave = followTeam(`${session.me?.user_id} ${session.team?.team_id}`, (message) => this.#take(message));
  }

  #take(message: StreamMessage): void {
    if (message.kind === "state") this.connected = message.isOpen;
    else if (message.kind === "gap") this.#deliver({ type: "reset" });
    else this.#deliver(JSON.parse(message.data) as LiveEvent);
  }

  #deliver(event: LiveEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #close(): void {
    this.#leave?.();
    this.#leave = undefined;
    this.connected = false;
  }
}

/** The events of this tab. */
export const live = new Live();
