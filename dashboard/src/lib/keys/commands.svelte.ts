import { untrack } from "svelte";

/** Something that the palette offers. */
export interface Command {
  /** Unique among all that are offered. */
  id: string;
  /** As a verb: "Go to capsules", "Pause build-42". */
  label: string;
  /** Further words by which it is found. */
  words?: string;
  /** Keys that do the same. */
  keys?: string;
  run: () => void | Promise<void>;
}

/** What the palette offers on the pages that are shown. */
class Commands {
  all = $state.raw<Command[]>([]);

  /** Offers commands until the returned function is called: for `$effect(() => commands.add(…))`. */
  add(...added: Command[]): () => void {
    // Whoever adds in an effect does not depend on what others add.
    this.all = [...added, ...untrack(() => this.all)];
    return () => {
      this.all = this.all.filter((command) => !added.includes(command));
    };
  }
}

export const commands = new Commands();
