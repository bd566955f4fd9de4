import type { SandboxProcess } from "@warren/sdk";

/** Size of a terminal where nobody looks at one, as programs assume it. */
const UNSEEN = { cols: 80, rows: 24 };

/** Size of the terminal on standard output. */
export function terminalSize(): { cols: number; rows: number } {
  const { columns, rows } = process.stdout;
  // A terminal that does not know its size has 0.
  return columns > 0 && rows > 0 ? { cols: columns, rows } : UNSEEN;
}

/**
 * Has the terminal of a command follow the size of this one. `raw` also hands over each key as it is pressed, ^C included.
 * Returns what gives this terminal back.
 */
export function joinTerminal(command: SandboxProcess, raw: boolean): () => void {
  const follow = () => command.resize(terminalSize());
  process.stdout.on("resize", follow);
  // It may have changed before anybody listened.
  follow();
  if (raw) process.stdin.setRawMode(true);
  return () => {
    process.stdout.off("resize", follow);
    if (raw) process.stdin.setRawMode(false);
  };
}
