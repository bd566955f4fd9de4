/** Tells whoever watches which sandboxes have changed. */
export class SandboxChanges {
  readonly #watchers = new Set<{ ids: Set<string>; wake: () => void }>();

  /** A sandbox has changed though no call asked for it. */
  happened(id: string): void {
    for (const watcher of this.#watchers) {
      watcher.ids.add(id);
      watcher.wake();
    }
  }

  /**
   * Ids of sandboxes that changed, each once since the last answer, so that a slow watcher costs one id a sandbox. The
   * first answer comes at once and is empty: nothing that happens after it is missed. Ends when `signal` aborts.
   */
  async *watch(signal: AbortSignal): AsyncGenerator<string[]> {
    let awake = Promise.withResolvers<void>();
    const watcher = { ids: new Set<string>(), wake: () => awake.resolve() };
    this.#watchers.add(watcher);
    signal.addEventListener("abort", watcher.wake);
    try {
      while (!signal.aborted) {
        const ids = [...watcher.ids];
        watcher.ids.clear();
        awake = Promise.withResolvers<void>();
        yield ids;
        if (watcher.ids.size === 0 && !signal.aborted) await awake.promise;
      }
    } finally {
      this.#watchers.delete(watcher);
      signal.removeEventListener("abort", watcher.wake);
    }
  }
}
