import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

interface Call {
  id: number;
  method: string;
  args: unknown[];
}

interface Answer {
  id: number;
  result?: unknown;
  error?: { code: string; message: string };
}

/** Calls methods of an object in another process. The process ends with this one. */
export class Remote {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  #nextId = 1;

  /** Starts a command that ends in a Node program which calls `answerCalls`. */
  constructor(command: string, args: string[]) {
    this.#child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#ended = once(this.#child, "exit");
    this.#child.on("message", ({ id, result, error }: Answer) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error) call?.reject(Object.assign(new Error(error.message), { code: error.code }));
      else call?.resolve(result);
    });
    this.#child.on("exit", (code, signal) => {
      for (const call of this.#calls.values()) call.reject(new Error(`the other process ended: ${signal ?? code}`));
      this.#calls.clear();
    });
  }

  call(method: string, ...args: unknown[]): Promise<unknown> {
    const id = this.#nextId++;
    const call = Promise.withResolvers<unknown>();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
      call.reject(new Error("the other process has ended"));
      return call.promise;
    }
    this.#calls.set(id, call);
    this.#child.send({ id, method, args } satisfies Call);
    return call.promise;
  }

  /** Ends the process as a crash does, and resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** Answers the calls of the parent process with the methods of an object, and ends when the parent does. */
export function answerCalls(methods: Record<string, (...args: never[]) => unknown>): void {
  process.on("disconnect", () => process.exit());
  process.on("message", ({ id, method, args }: Call) => {
    void (async () => {
      try {
        process.send!({ id, result: await methods[method]!(...(args as never[])) } satisfies Answer);
      } catch (error) {
        const { code = "", message } = error as NodeJS.ErrnoException;
        process.send!({ id, error: { code, message } } satisfies Answer);
      }
    })();
  });
}
