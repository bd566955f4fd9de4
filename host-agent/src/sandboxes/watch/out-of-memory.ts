import type { Logger } from "pino";
import type { Journal } from "../record/journal.ts";
import { quote, reasonOf } from "../record/reason.ts";
import type { SandboxRegistry } from "../state/registry.ts";
import type { Sandbox } from "../state/sandbox.ts";

/** What Linux prints when it ends a process for lack of memory, in oom_kill.c; a name may hold anything but ends so. */
const KILLED = /[Oo]ut of memory: Killed process (\d{1,10}) \((.{0,64})\) total-vm:/;
/** Milliseconds for which one note stands, so that a guest that prints such lines without end costs the host nothing. */
const QUIET_MS = 10_000;

export interface OutOfMemoryParts {
  journal: Journal;
  registry: SandboxRegistry;
  log: Logger;
}

/** Notes of sandboxes that run that their memory ran out, and which process their kernel ended for it. */
export class OutOfMemoryNotes {
  readonly #parts: OutOfMemoryParts;
  readonly #noting = new Set<Sandbox>();

  constructor(parts: OutOfMemoryParts) {
    this.#parts = parts;
  }

  /** A guest has printed a line on its console. Never throws. */
  printed(sandbox: Sandbox, line: string): void {
    const killed = killedFor(line);
    if (!killed || this.#noting.has(sandbox) || this.#parts.registry.isUnclaimed(sandbox)) return;
    if (!mayNote(sandbox)) return;
    this.#noting.add(sandbox);
    this.#note(sandbox, killed)
      .catch((error: unknown) =>
        this.#parts.log.warn({ sandbox: sandbox.id, err: error }, "that memory ran out cannot be noted"),
      )
      .finally(() => this.#noting.delete(sandbox));
  }

  async #note(sandbox: Sandbox, killed: Killed): Promise<void> {
    const { live, lifecycle } = sandbox;
    await lifecycle.perform("look", async () => {
      if (sandbox.status !== "running" || sandbox.live !== live || !mayNote(sandbox)) return;
      sandbox.record.reason = reasonOf(
        "out_of_memory",
        `its memory ran out, and its kernel killed process ${killed.pid} (${quote(killed.name)}); the sandbox runs on`,
      );
      await this.#parts.journal.write(sandbox.record);
    });
  }
}

interface Killed {
  pid: number;
  name: string;
}

/** The process that was killed by what a line says; undefined when it says something else. */
export function killedFor(line: string): Killed | undefined {
  const [, pid, name] = KILLED.exec(line) ?? [];
  return pid === undefined || name === undefined ? undefined : { pid: Number(pid), name };
}

/** Whatever else is wrong with a sandbox weighs more. */
function mayNote({ record: { reason } }: Sandbox): boolean {
  return reason === undefined || (reason.code === "out_of_memory" && Date.now() - reason.at >= QUIET_MS);
}
