import { createSubscriber } from "svelte/reactivity";
import { serverNow } from "./server-time.ts";

/** Milliseconds between two looks at the clock. */
const TICK_MS = 1000;

/** The time by the server, which moves on each second for what shows it; one timer for all, and none while the tab is hidden. */
class Clock {
  #now = new Date(serverNow());
  readonly #subscribe = createSubscriber((update) => {
    const tick = () => {
      if (document.hidden) return;
      this.#now = new Date(serverNow());
      update();
    };
    const timer = setInterval(tick, TICK_MS);
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  });

  get now(): Date {
    this.#subscribe();
    const now = new Date(serverNow());
    if (now.getTime() - this.#now.getTime() > TICK_MS) this.#now = now;
    return this.#now;
  }
}

export const clock = new Clock();
