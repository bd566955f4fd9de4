import { ApiError } from "#lib/api/api-error.ts";
import { answer, api, type Schemas } from "#lib/api/client.ts";
import { visible } from "#lib/format/visible.ts";
import type { ShellState } from "./shell.ts";
import { freeNumber, shellNumber } from "./shell-tag.ts";

export type Process = Schemas["Process"];

/** A tab of the terminals: a shell of the pages, or another command whose output somebody looks at. */
export class ShellTab {
  /** Tells it from the others of the page. */
  readonly key: number;
  /** Of a shell; of other commands undefined. */
  number = $state<number>();
  pid = $state<number>();
  /** Name of a command that is no shell. */
  readonly command: string | undefined;
  state = $state.raw<ShellState>({ is: "connecting" });
  /** Whether it runs in a terminal, and takes what is typed. */
  readonly hasTerminal: boolean;
  /** Whether its shell ends with the page. */
  isBound = false;
  /** Whether it was closed before its shell was known: whoever asked for that has it end. */
  isClosed = false;
  /** Whether it was in view: only then is it connected to. */
  wasShown = $state(false);
  /** Whether a shell of the same number that runs is as good as a new one. */
  readonly isShared: boolean;
  /** Bytes of output that were there before: what programs asked in them is answered no more. */
  readonly before: number;

  constructor(key: number, of: { process: Process } | { number: number; isShared: boolean }) {
    this.key = key;
    this.isShared = "number" in of && of.isShared;
    this.number = "number" in of ? of.number : shellNumber(of.process.tag);
    this.before = "number" in of ? 0 : of.process.output_bytes;
    this.hasTerminal = "number" in of || of.process.terminal;
    if ("number" in of) return;
    this.pid = of.process.pid;
    if (this.number === undefined) this.command = visible(of.process.cmd.split("/").at(-1) ?? "");
  }

  /** Notes which command it turned out to be. */
  found({ pid, tag, isBound }: { pid: number; tag: string | undefined; isBound: boolean }): void {
    this.pid = pid;
    this.number = shellNumber(tag) ?? this.number;
    this.isBound = isBound;
  }

  get label(): string {
    return this.number === undefined ? `${this.command} ${this.pid}` : `Shell ${this.number}`;
  }
}

/** The tabs of the terminals of a capsule: its shells, wherever they were opened, and what else was chosen to be shown. */
export class ShellTabs {
  all = $state.raw<ShellTab[]>([]);
  current = $state.raw<ShellTab>();
  /** Whether the shells of the capsule are known. */
  areKnown = $state(false);

  readonly #sandboxId: string;
  #nextKey = 1;
  /** Shells that were ended here, which may be in lists still. */
  readonly #ended = new Set<number>();

  constructor(sandboxId: string) {
    this.#sandboxId = sandboxId;
  }

  /**
   * Takes the commands that the capsule has: shells that are not shown yet get tabs, and where there is none one is opened.
   * The first time the shell `chosen` comes into view.
   */
  take(processes: readonly Process[], chosen: number | undefined): void {
    const shown = new Set(this.all.map(({ pid }) => pid));
    const numbers = new Set(this.all.filter(({ pid }) => pid === undefined).map(({ number }) => number));
    for (const process of processes) {
      const number = shellNumber(process.tag);
      if (number === undefined || process.exit || shown.has(process.pid) || this.#ended.has(process.pid)) continue;
      // One that was asked for a moment ago, and has not answered here.
      if (numbers.has(number)) continue;
      this.#add({ process });
    }
    if (this.areKnown) return;
    this.areKnown = true;
    if (this.all.length === 0) this.#add({ number: 1, isShared: true });
    if (!this.current)
      this.show(this.all.find(({ number }) => number === chosen && number !== undefined) ?? this.all[0]);
  }

  show(tab: ShellTab | undefined): void {
    this.current = tab;
    if (tab) tab.wasShown = true;
  }

  /** Opens a new shell. */
  open(): void {
    this.areKnown = true;
    const number = freeNumber(this.all.flatMap((tab) => tab.number ?? []));
    this.show(this.#add({ number, isShared: false }));
  }

  /** Shows the output of a command. */
  watch(process: Process): void {
    this.show(this.all.find(({ pid }) => pid === process.pid) ?? this.#add({ process }));
  }

  /** Closes a tab, which ends its shell; another command goes on. Fails when the shell cannot be ended, and the tab stays. */
  async close(tab: ShellTab): Promise<void> {
    const index = this.all.indexOf(tab);
    this.all = this.all.filter((other) => other !== tab);
    if (this.current === tab) this.show(this.all[Math.max(0, index - 1)]);
    const { pid } = tab;
    tab.isClosed = pid === undefined;
    if (pid === undefined || tab.number === undefined || tab.isBound || tab.state.is === "ended") return;
    this.#ended.add(pid);
    try {
      await endShell(this.#sandboxId, String(pid));
    } catch (error) {
      this.#ended.delete(pid);
      this.#put(tab);
      throw error;
    }
  }

  #add(of: ConstructorParameters<typeof ShellTab>[1]): ShellTab {
    const tab = new ShellTab(this.#nextKey++, of);
    this.#put(tab);
    return tab;
  }

  #put(tab: ShellTab): void {
    const place = ({ number }: ShellTab) => number ?? Number.POSITIVE_INFINITY;
    this.all = [...this.all, tab].toSorted((a, b) => place(a) - place(b) || a.key - b.key);
  }
}

/** The commands of a capsule, the newest last; one that has just stopped, or is of an earlier version, tells of none. */
export async function listProcesses(sandboxId: string, signal: AbortSignal): Promise<Process[]> {
  try {
    return await answer(api.GET("/v1/sandboxes/{id}/processes", { params: { path: { id: sandboxId } }, signal }));
  } catch (error) {
    if (ApiError.from(error).code === "invalid_state") return [];
    throw error;
  }
}

/** Ends a command and all its processes; one that has ended is none to end. */
export async function endProcess(sandboxId: string, pid: number): Promise<void> {
  const path = { id: sandboxId, process: String(pid) };
  await unlessOver(api.DELETE("/v1/sandboxes/{id}/processes/{process}", { params: { path } }));
}

/**
 * Ends a shell, named by its process id or tag, as a terminal that is closed does: shells pass over SIGTERM, which is what others
 * are asked to end by.
 */
export async function endShell(sandboxId: string, process: string): Promise<void> {
  const path = { id: sandboxId, process };
  const body = { signal: "SIGHUP" } as const;
  await unlessOver(api.POST("/v1/sandboxes/{id}/processes/{process}/signal", { params: { path }, body }));
  await unlessOver(api.DELETE("/v1/sandboxes/{id}/processes/{process}", { params: { path } }));
}

async function unlessOver(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (ApiError.from(error).code !== "process_not_found") throw error;
  }
}
