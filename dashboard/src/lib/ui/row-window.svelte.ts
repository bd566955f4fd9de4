import { untrack } from "svelte";
import { partInView } from "./part-in-view.ts";

/** Rows up to which a table has all of them. */
const WHOLE = 150;
/** Height of a row in pixels until one is measured. */
const ROW_PX = 33;

/** Number of the first row; that of the head is 1. */
const FIRST_ROW = 2;

/**
 * The part of a long table that is in view, with some rows around it: the rest is empty space of the same height. The page
 * scrolls, not the table. To be made in a component.
 */
export class RowWindow {
  /** Where the rows are. */
  body = $state<HTMLTableSectionElement>();
  #part = $state.raw({ start: 0, end: WHOLE });
  #rowPx = $state(ROW_PX);
  readonly #count: () => number;

  /** Whether rows are left out. */
  readonly isPart = $derived.by(() => this.#count() > WHOLE);
  readonly start = $derived.by(() => (this.isPart ? Math.min(this.#part.start, this.#count()) : 0));
  readonly end = $derived.by(() => (this.isPart ? Math.min(this.#part.end, this.#count()) : this.#count()));
  /** Pixels of what is left out above and below. */
  readonly before = $derived.by(() => this.start * this.#rowPx);
  readonly after = $derived.by(() => (this.#count() - this.end) * this.#rowPx);

  /** By what a row is known: in a part, rows that leave it at one end come in as others at the other. */
  keyOf(index: number, id: string): string | number {
    return this.isPart ? (this.start + index) % (this.end - this.start) : id;
  }

  constructor(count: () => number) {
    this.#count = count;
    $effect(() => {
      const { body } = this;
      if (!this.isPart || !body) return;
      const look = () => this.#look(body);
      untrack(look);
      addEventListener("scroll", look, { passive: true });
      addEventListener("resize", look, { passive: true });
      return () => {
        removeEventListener("scroll", look);
        removeEventListener("resize", look);
      };
    });
  }

  #look(body: HTMLTableSectionElement): void {
    const height = body.querySelector("tr[data-key]")?.getBoundingClientRect().height;
    if (height && height !== this.#rowPx) this.#rowPx = height;
    const part = partInView({
      above: -body.getBoundingClientRect().top,
      viewPx: innerHeight,
      rowPx: this.#rowPx,
      count: this.#count(),
    });
    if (part.start === this.#part.start && part.end === this.#part.end) return;
    this.#letGo(body, part);
    this.#part = part;
  }

  /** Takes the focus from a row that will be another one's: keys would act on what nobody has chosen. */
  #letGo(body: HTMLTableSectionElement, { start, end }: { start: number; end: number }): void {
    const focused = document.activeElement;
    const row = focused?.closest("tr");
    if (!row || row.parentElement !== body) return;
    const index = Number(row.ariaRowIndex) - FIRST_ROW;
    if (index < start || index >= end) (focused as HTMLElement).blur();
  }
}
