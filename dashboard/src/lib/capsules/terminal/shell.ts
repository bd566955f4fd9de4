import { ExecConnection, type FirstFrame, type Over, type Size, type Started } from "./exec-connection.ts";
import { SHELL, shellTag } from "./shell-tag.ts";
import { exitWords } from "./words.ts";

/** How it stands with a shell, as this page sees it. */
export type ShellState =
  /** It was not reached yet. */
  | { is: "connecting" }
  | { is: "open" }
  /** The connection broke, and is made again by and by. */
  | { is: "reconnecting" }
  /** Its capsule does not run, and it stands still. */
  | { is: "standing" }
  | { is: "ended"; words: string };

/** Which command of a capsule is meant: one that runs, or a new shell with a number. */
export type Wanted =
  /** `what` it is called where it is no shell. */
  | { pid: number; what?: string | undefined }
  /** `shared`: one that has the number already is as good, such as one that another browser has just opened. */
  | { number: number; shared: boolean };

/** What a shell tells. */
export interface ShellListener {
  /** Output in its order, each byte once; `used` is to be called once it has been shown. */
  onOutput(bytes: Uint8Array, used: () => void): void;
  /** So many bytes of output that come before what is told next are not kept any more. */
  onGap(bytes: number): void;
  /** The connection broke while something typed was under way: it may have arrived or not, and is not sent again. */
  onUnsure(): void;
  /** The page is connected to it, for the first time or again; `isBound`: it ends with the page. */
  onOpen(process: { pid: number; tag: string | undefined; isBound: boolean }): void;
  onState(state: ShellState): void;
}

/** Milliseconds until a connection that broke is made again: after the first failure, and at most. */
const RETRY_MS = 250;
const MOST_RETRY_MS = 15_000;
const ENDED_WITH_CONNECTION: ShellState = { is: "ended", words: "The shell has ended with its connection" };
/** Errors that another try would bring again. */
const FINAL = new Set(["invalid_request", "not_found", "process_not_found", "forbidden", "unauthorized"]);

/**
 * A command in a terminal of a capsule, which lives on in it without the page. A connection that breaks is made again, and
 * goes on where the output was; what is typed while there is none is kept and sent. While the capsule does not run nothing
 * is tried.
 */
export class Shell {
  readonly #url: URL;
  readonly #wanted: Wanted;
  readonly #listener: ShellListener;
  readonly #encoder = new TextEncoder();
  #size: Size;
  /** The command that is joined, by process id or tag; a shell that is not there yet is started. */
  #process: string | undefined;
  /** Number of a shell that is started. */
  #number: number;
  /** Whether a shell that has the number may be this one: it was asked for, and the connection was gone before an answer. */
  #mayRun = false;
  /** Whether it ends with its connection: capsules of earlier versions have no commands in the background. */
  #isBound = false;
  #connection: ExecConnection | undefined;
  /** Whether the connection has reached the command, and whether any ever has. */
  #isOpen = false;
  #wasOpen = false;
  /** Bytes of the output that are there. */
  #offset = 0;
  #typed: Uint8Array[] = [];
  #capsuleRuns = true;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #state: ShellState = { is: "connecting" };

  /** `url` is the address of streamed commands in the capsule. */
  constructor(url: URL, wanted: Wanted, size: Size, listener: ShellListener) {
    this.#url = url;
    this.#wanted = wanted;
    this.#size = size;
    this.#listener = listener;
    this.#process = "pid" in wanted ? String(wanted.pid) : undefined;
    this.#number = "number" in wanted ? wanted.number : 0;
    this.#connect();
  }

  /** Sends what was typed or pasted, once it can be. Nothing is typed into what stands still or has ended. */
  write(text: string): void {
    if (this.#state.is === "standing" || this.#state.is === "ended") return;
    const bytes = this.#encoder.encode(text);
    if (this.#isOpen) this.#connection?.write(bytes);
    else this.#typed.push(bytes);
  }

  /** Gives the terminal the size that it has in this page. */
  resize(size: Size): void {
    this.#size = size;
    if (this.#isOpen) this.#connection?.resize(size);
  }

  /** Is to be told whether the capsule runs. */
  setCapsuleRuns(runs: boolean): void {
    if (this.#capsuleRuns === runs) return;
    this.#capsuleRuns = runs;
    if (this.#state.is === "ended") return;
    if (runs) {
      this.#become(this.#underWay());
      this.retry();
    } else {
      this.#mayRun = true;
      this.#leave();
      this.#become(this.#isBound ? ENDED_WITH_CONNECTION : { is: "standing" });
    }
  }

  /** Makes the connection now, if it waits to be made again. */
  retry(): void {
    if (this.#connection || !this.#capsuleRuns || this.#state.is === "ended") return;
    this.#failures = 0;
    this.#connect();
  }

  /** Leaves the command to itself; nothing is told any more. */
  close(): void {
    this.#state = { is: "ended", words: "" };
    this.#leave();
  }

  /**
   * Leaves a shell that is to end before it has said which process it is; nothing is told any more. Returned is the tag of one that
   * may run without a connection by which it could be told so.
   */
  end(): string | undefined {
    const tag = this.#mayRun && !this.#wasOpen && !this.#isBound ? shellTag(this.#number) : undefined;
    this.#connection?.end();
    this.close();
    return tag;
  }

  #connect(): void {
    clearTimeout(this.#timer);
    this.#connection = new ExecConnection(this.#url, this.#firstFrame(), {
      onStart: (started) => this.#begin(started),
      onOutput: (bytes, used) => {
        this.#offset += bytes.length;
        this.#listener.onOutput(bytes, used);
      },
      onOver: (over) => this.#end(over),
    });
  }

  #firstFrame(): FirstFrame {
    if (this.#process !== undefined) return { type: "attach", process: this.#process, from: this.#offset };
    const start: FirstFrame = { type: "start", cmd: "sh", args: ["-c", SHELL], size: this.#size };
    return this.#isBound ? start : { ...start, tag: shellTag(this.#number) };
  }

  #begin({ pid, tag, offset = this.#offset, dropped = 0 }: Started): void {
    this.#isOpen = true;
    this.#wasOpen = true;
    this.#failures = 0;
    // A tag may come to be another command's.
    this.#process = String(pid);
    this.#offset = offset;
    if (dropped > 0) this.#listener.onGap(dropped);
    this.#listener.onOpen({ pid, tag, isBound: this.#isBound });
    this.#become({ is: "open" });
    for (const bytes of this.#typed.splice(0)) this.#connection?.write(bytes);
  }

  #end(over: Over): void {
    this.#leave();
    const words = this.#wordsOfEnd(over);
    if (!this.#wasOpen && "number" in this.#wanted && this.#chooseAnew(over, this.#wanted.shared)) this.#connect();
    else if (words !== undefined) this.#become({ is: "ended", words });
    else if (this.#isBound && this.#wasOpen) this.#become(ENDED_WITH_CONNECTION);
    else this.#retryLater();
  }

  #retryLater(): void {
    this.#become(this.#underWay());
    const delay = Math.min(RETRY_MS * 2 ** this.#failures, MOST_RETRY_MS);
    this.#failures += 1;
    // Pages whose server was away do not come back all at once.
    this.#timer = setTimeout(() => this.#connect(), delay * (0.75 + Math.random() / 2));
  }

  /** Whether a new shell goes another way than it was tried: its number is taken, or whoever had it is gone. */
  #chooseAnew(over: Over, isShared: boolean): boolean {
    const code = over.is === "error" ? over.code : undefined;
    if (code === undefined) this.#mayRun = true;
    if (code === "already_exists" && (isShared || this.#mayRun)) this.#process = shellTag(this.#number);
    else if (code === "already_exists") this.#number += 1;
    else if (code === "process_not_found") this.#process = undefined;
    else if (code === "invalid_state" && this.#process === undefined && !this.#isBound) this.#isBound = true;
    else {
      // It is not for that reason that it cannot be in the background.
      this.#isBound = false;
      return false;
    }
    return true;
  }

  #leave(): void {
    clearTimeout(this.#timer);
    const left = this.#connection;
    this.#connection = undefined;
    this.#isOpen = false;
    if (!left) return;
    left.close();
    if (left.unread > 0 && this.#state.is !== "ended") this.#listener.onUnsure();
  }

  #underWay(): ShellState {
    return this.#wasOpen ? { is: "reconnecting" } : { is: "connecting" };
  }

  /** Why it is over, if the end of a connection is one of the command too. */
  #wordsOfEnd(over: Over): string | undefined {
    if (over.is === "exit") return exitWords(over, this.#what);
    if (over.is === "broken" || !FINAL.has(over.code)) return undefined;
    return over.code === "process_not_found" ? `${this.#what} is not there any more` : over.words;
  }

  get #what(): string {
    return ("what" in this.#wanted && this.#wanted.what) || "The shell";
  }

  #become(state: ShellState): void {
    if (state.is === this.#state.is) return;
    this.#state = state;
    this.#listener.onState(state);
  }
}
