import { closeSync, writeSync } from "node:fs";
import { WarrenError } from "@warren/contracts/errors";

/** The last line of the readiness descriptor. */
export type Readiness =
  | { ready: true; url: string; notes?: readonly string[] }
  | { ready: false; error: { code: string; message: string } };

/** A line of the readiness descriptor. `fraction` is from 0 to 1. */
type StartLine =
  | { progress: { step: string; detail?: string | undefined; fraction?: number | undefined } }
  | { done: object }
  | Readiness;

/**
 * Tells the supervisor how the start of a server, or a task of its program, goes; docs/processes.md is the contract. The last
 * call is `ready`, `done` or `failed`.
 */
export class StartReport {
  #fd: number | undefined;

  /** `fd` takes the lines; undefined = nobody wants to know. */
  constructor(fd: number | undefined) {
    this.#fd = fd;
  }

  progress(step: string, detail?: string, fraction?: number): void {
    this.#write({ progress: { step, detail, fraction } });
  }

  /** `notes`: sentences for people, of what is not as it might be. */
  ready(url: string, notes: readonly string[] = []): void {
    this.#write({ ready: true, url, ...(notes.length > 0 && { notes }) });
    this.#close();
  }

  /** What a task has come to. */
  done(result: object): void {
    this.#write({ done: result });
    this.#close();
  }

  failed(error: unknown): void {
    const { code, message } = error instanceof WarrenError ? error : asInternal(error);
    this.#write({ ready: false, error: { code, message } });
    this.#close();
  }

  #write(line: StartLine): void {
    if (this.#fd === undefined) return;
    try {
      writeSync(this.#fd, `${JSON.stringify(line)}\n`);
    } catch {
      // The supervisor has closed its end: it no longer wants to know, and says so by ending this process if it likes.
      this.#fd = undefined;
    }
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/**
 * Resolves when this process is asked to end: by SIGTERM, SIGINT or, if so agreed, the end of standard input. A second
 * signal ends it at once.
 */
export function endRequested({ exitWithParent }: { exitWithParent: boolean }): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = (reason: string) => {
      if (asked) process.exit(1);
      asked = true;
      resolve(reason);
    };
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => ask(signal));
    if (exitWithParent) {
      const parentGone = () => {
        if (!asked) ask("the supervisor ended");
      };
      process.stdin.on("end", parentGone).on("error", parentGone).resume();
    }
  });
}

function asInternal(error: unknown): WarrenError {
  const text = error instanceof Error ? error.message : String(error);
  return new WarrenError("internal_error", text, { cause: error });
}
