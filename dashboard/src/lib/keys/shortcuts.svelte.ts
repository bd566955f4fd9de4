import { untrack } from "svelte";

/** Something that a key does on the pages that are shown. */
export interface Shortcut {
  /** `/`, `?`, `x`, `Enter`, or two keys one after the other: `g c`. */
  keys: string;
  /** What it does, as a verb: "Go to capsules". */
  label: string;
  run: () => void;
}

/** Milliseconds for the second of two keys. */
const SEQUENCE_MS = 1200;

/** Keys of the pages that are shown; those that came last win. */
class Shortcuts {
  all = $state.raw<Shortcut[]>([]);
  #first: { key: string; at: number } | undefined;

  /** Adds keys until the returned function is called: for `$effect(() => shortcuts.add(…))`. */
  add(...added: Shortcut[]): () => void {
    // Whoever adds in an effect does not depend on what others add.
    this.all = [...added, ...untrack(() => this.all)];
    return () => {
      this.all = this.all.filter((shortcut) => !added.includes(shortcut));
    };
  }

  /** Runs what a key stands for, unless it is typed into something. */
  handle(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || takesKeys(event.target)) return;
    const isSecond = this.#first !== undefined && event.timeStamp - this.#first.at < SEQUENCE_MS;
    const keys = isSecond ? `${this.#first!.key} ${event.key}` : event.key;
    this.#first = undefined;
    const found = this.all.find((shortcut) => shortcut.keys === keys);
    if (found) {
      event.preventDefault();
      found.run();
    } else if (this.all.some((shortcut) => shortcut.keys.startsWith(`${event.key} `))) {
      this.#first = { key: event.key, at: event.timeStamp };
    }
  }
}

export const shortcuts = new Shortcuts();

/** Whether keys belong to what has the focus: fields, the terminal, the editor, open dialogs and menus. */
function takesKeys(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  return (
    target.closest(
      "input, textarea, select, [contenteditable], [role=dialog], [role=alertdialog], [role=menu], [data-keys]",
    ) !== null
  );
}
