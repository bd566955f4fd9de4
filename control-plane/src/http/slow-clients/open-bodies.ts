import type { IncomingMessage, ServerResponse } from "node:http";
import { RateLimited } from "../../rate-limits/rate-limited.ts";
import { whenOver } from "./when-over.ts";

/** Counts the bodies that are under way, each under one key or more. */
export class OpenBodies {
  readonly #requests = new Map<string, Set<IncomingMessage>>();

  /** Counts a request until its answer ends or its body has come; throws `rate_limited` beyond `most`. */
  enter(key: string, request: IncomingMessage, response: ServerResponse, most: number): void {
    const open = this.#requests.get(key) ?? new Set();
    this.#requests.set(key, open);
    if (open.size >= most) {
      for (const other of open) if (other.complete) open.delete(other);
    }
    if (open.size >= most) throw new RateLimited(`${most} bodies of requests are under way already`, 1);
    open.add(request);
    whenOver(response, () => {
      open.delete(request);
      if (open.size === 0 && this.#requests.get(key) === open) this.#requests.delete(key);
    });
  }
}
