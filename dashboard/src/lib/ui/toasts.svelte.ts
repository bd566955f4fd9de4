import { ApiError } from "#lib/api/api-error.ts";

export interface Toast {
  id: number;
  kind: "info" | "error";
  text: string;
  /** Link to what it is about. */
  href?: string;
}

/** Milliseconds that a result stays; an error stays until it is closed. */
const SHOWN_MS = 5000;
/** Most that are shown together. */
const MOST = 4;

/** Short words about what was done, at the edge of the page. */
class Toasts {
  all = $state.raw<Toast[]>([]);
  #next = 1;

  /** Says what was done: "build-42 paused". */
  info(text: string, href?: string): void {
    const toast = this.#add({ kind: "info", text, ...(href === undefined ? {} : { href }) });
    setTimeout(() => this.close(toast.id), SHOWN_MS);
  }

  /** Says what went wrong. */
  error(error: unknown): void {
    this.#add({ kind: "error", text: typeof error === "string" ? error : ApiError.from(error).message });
  }

  close(id: number): void {
    this.all = this.all.filter((toast) => toast.id !== id);
  }

  #add(toast: Omit<Toast, "id">): Toast {
    const added = { ...toast, id: this.#next++ };
    this.all = [...this.all, added].slice(-MOST);
    return added;
  }
}

export const toasts = new Toasts();
