import { ApiError } from "#lib/api/api-error.ts";
import { Countdown } from "./countdown.ts";
import { shownMs } from "./toast-time.ts";

export interface Toast {
  id: number;
  kind: "info" | "error";
  text: string;
  /** Link to what it is about. */
  href?: string;
}

/** Why notices stay where they are: somebody points at one, has the keyboard in one, or does not look at the page. */
type Hold = "pointer" | "focus" | "hidden";

/** Most that are shown together. */
const MOST = 4;

/** Short words about what was done or refused, at the edge of the page. They go by themselves, unless somebody holds them. */
class Toasts {
  all = $state.raw<Toast[]>([]);
  #next = 1;
  readonly #countdowns = new Map<number, Countdown>();
  readonly #holds = new Set<Hold>();

  /** Says what was done: "build-42 paused". */
  info(text: string, href?: string): void {
    this.#add({ kind: "info", text, ...(href === undefined ? {} : { href }) });
  }

  /** Says what went wrong. */
  error(error: unknown): void {
    this.#add({ kind: "error", text: typeof error === "string" ? error : ApiError.from(error).message });
  }

  close(id: number): void {
    this.#keep(this.all.filter((toast) => toast.id !== id));
  }

  /** All stay until it is released. */
  hold(why: Hold): void {
    this.#holds.add(why);
    for (const countdown of this.#countdowns.values()) countdown.rest();
  }

  release(why: Hold): void {
    if (this.#holds.delete(why) && this.#holds.size === 0) {
      for (const countdown of this.#countdowns.values()) countdown.run();
    }
  }

  #add(toast: Omit<Toast, "id">): void {
    const id = this.#next++;
    const countdown = new Countdown(shownMs(toast.kind, toast.text), () => this.close(id));
    this.#countdowns.set(id, countdown);
    if (this.#holds.size === 0) countdown.run();
    this.#keep([...this.all, { ...toast, id }].slice(-MOST));
  }

  #keep(toasts: Toast[]): void {
    for (const { id } of this.all) {
      if (toasts.some((toast) => toast.id === id)) continue;
      this.#countdowns.get(id)?.rest();
      this.#countdowns.delete(id);
    }
    this.all = toasts;
    if (toasts.length > 0) return;
    // Elements that are taken away tell nobody that they were left.
    this.release("pointer");
    this.release("focus");
  }
}

export const toasts = new Toasts();
