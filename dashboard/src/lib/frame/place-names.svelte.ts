import { SvelteMap } from "svelte/reactivity";

/** What people call the things whose ids stand in addresses, while a page that knows it is shown. */
class PlaceNames {
  readonly #byId = new SvelteMap<string, string>();

  of(id: string): string | undefined {
    return this.#byId.get(id);
  }

  /** Holds until the returned function is called. */
  give(id: string, name: string): () => void {
    this.#byId.set(id, name);
    return () => this.#byId.delete(id);
  }
}

export const placeNames = new PlaceNames();
