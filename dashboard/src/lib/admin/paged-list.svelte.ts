import { untrack } from "svelte";
import { ApiError } from "#lib/api/api-error.ts";

interface Page<T> {
  items: T[];
  next_cursor?: string;
}

/** What of a list was read: page after page, from the beginning when the search is another one. To be made in a component. */
export class PagedList<T> {
  search = $state("");
  items = $state.raw<T[]>();
  error = $state.raw<ApiError>();
  cursor = $state<string>();
  asking = $state(false);

  readonly #load: (query: { search?: string; cursor?: string; limit: number }, signal: AbortSignal) => Promise<Page<T>>;
  #abort: AbortController | undefined;

  constructor(
    load: (query: { search?: string; cursor?: string; limit: number }, signal: AbortSignal) => Promise<Page<T>>,
  ) {
    this.#load = load;
    $effect(() => {
      void this.search;
      untrack(() => void this.refresh());
      return () => this.#abort?.abort();
    });
  }

  /** Reads the first page anew. */
  refresh(): Promise<void> {
    return this.#ask(undefined);
  }

  more(): Promise<void> {
    return this.#ask(this.cursor);
  }

  async #ask(cursor: string | undefined): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.asking = true;
    try {
      const search = this.search.trim();
      const query = { ...(search !== "" && { search }), ...(cursor !== undefined && { cursor }), limit: 100 };
      const page = await this.#load(query, abort.signal);
      if (this.#abort !== abort) return;
      this.items = cursor === undefined ? page.items : [...(this.items ?? []), ...page.items];
      this.cursor = page.next_cursor;
      this.error = undefined;
    } catch (error) {
      if (this.#abort !== abort || abort.signal.aborted) return;
      this.error = ApiError.from(error);
    }
    this.asking = false;
  }
}
