/** Milliseconds until a watch that broke is made again: after the first failure, and at most. */
const RETRY_MS = 1000;
const MOST_RETRY_MS = 60_000;

/** Hears of each start and end of a command in a capsule, while it is asked to and somebody looks at the page. */
export class ProcessWatch {
  /** Whether changes are told; where they are not, one asks now and again. */
  connected = $state(false);

  readonly #read: () => string;
  /** A capsule whose id is what it was before is no reason to begin anew, whatever else has changed of it. */
  readonly #sandboxId = $derived.by(() => this.#read());
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;

  constructor(sandboxId: () => string) {
    this.#read = sandboxId;
  }

  /** Calls `changed` for each change until the returned function is called. */
  follow(changed: () => void): () => void {
    const look = () => {
      if (document.hidden) this.#leave();
      else if (!this.#socket) this.#open(changed);
    };
    document.addEventListener("visibilitychange", look);
    look();
    return () => {
      document.removeEventListener("visibilitychange", look);
      this.#leave();
    };
  }

  #open(changed: () => void): void {
    clearTimeout(this.#timer);
    const url = new URL(`/v1/sandboxes/${encodeURIComponent(this.#sandboxId)}/processes`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket || JSON.parse(data).type !== "changed") return;
      this.#failures = 0;
      this.connected = true;
      changed();
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#leave();
      const delay = Math.min(RETRY_MS * 2 ** this.#failures++, MOST_RETRY_MS);
      this.#timer = setTimeout(() => document.hidden || this.#open(changed), delay);
    };
  }

  #leave(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    this.connected = false;
    socket?.close();
  }
}
