import { closeSync, writeSync } from "node:fs";
import { WarrenError } from "@warren/contracts/errors";

/** How a supervisor holds this process; docs/processes.md is the contract. */
export interface Supervision {
  /** Descriptor for lines of JSON about the start; undefined = none. */
  readyFd: number | undefined;
  /** End when standard input does. */
  exitWithParent: boolean;
}

/** Tells the supervisor how the start goes. The last call is `ready` or `failed`. */
export class StartReport {
  #fd: number | undefined;

  constructor(fd: number | undefined) {
    this.#fd = fd;
  }

  progress(step: string, detail?: string, fraction?: number): void {
    this.#write({ progress: { step, detail, fraction } });
  }

  ready(url: string): void {
    this.#write({ ready: true, url });
    this.#close();
  }

  failed(error: unknown): void {
    const { code, message } = error instanceof WarrenError ? error : asInternal(error);
    this.#write({ ready: false, error: { code, message } });
    this.#close();
  }

  #write(line: object): void {
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
export function endRequested(supervision: Supervision): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = (reason: string) => {
      if (asked) process.exit(1);
      asked = true;
      resolve(reason);
    };
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => ask(signal));
    if (supervision.exitWithParent) {
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
