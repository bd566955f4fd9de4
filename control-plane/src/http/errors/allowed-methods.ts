import findMyWay from "find-my-way";
import type { App } from "../app-types.ts";

/** Knows which methods each path takes. */
export class AllowedMethods {
  /** Has every path once, under one method; what is stored are all of its methods. */
  readonly #paths = findMyWay();
  readonly #methods = new Map<string, Set<string>>();

  constructor(app: App) {
    app.addHook("onRoute", ({ url, method }) => {
      for (const name of [method].flat()) this.#add(url, name);
    });
  }

  /** Methods of the routes of a path; none when there is no such path. */
  of(path: string): string[] {
    const found = this.#paths.find("GET", path);
    return found ? [...(found.store as Set<string>)].sort() : [];
  }

  #add(url: string, method: string): void {
    // A route for everything says nothing of a path.
    if (url === "*") return;
    let methods = this.#methods.get(url);
    if (!methods) {
      methods = new Set();
      this.#methods.set(url, methods);
      this.#paths.on("GET", url, () => undefined, methods);
    }
    methods.add(method);
  }
}
