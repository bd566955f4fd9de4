import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** User and group id of `nobody`. */
const NOBODY = 65534;

/** A process of `nobody` that tries what a local user of the host might. */
export class LocalUser {
  readonly #child: ChildProcess;

  /** `workingDirectory` is entered before root's rights are given up. */
  constructor(workingDirectory = "/") {
    this.#child = fork(join(import.meta.dirname, "local-user-process.ts"), [String(NOBODY)], {
      cwd: workingDirectory,
      env: { PATH: process.env.PATH },
    });
  }

  /** The content of a file, or the code of the error. */
  async read(path: string): Promise<string> {
    this.#child.send(path);
    const [answer] = (await once(this.#child, "message")) as [string];
    return answer;
  }

  /** Ends the process. */
  leave(): void {
    this.#child.kill();
  }
}
