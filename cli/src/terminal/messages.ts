import { getSystemErrorMessage } from "node:util";
import { WarrenError } from "@warren/sdk";
import { ownCommand } from "./own-command.ts";
import { printable } from "./printable.ts";

/** Tells the user something on standard error. */
export function warn(text: string): void {
  process.stderr.write(`warren: ${printable(text)}\n`);
}

/** What leads on after some errors, in words of the command line. */
const ADVICE: Record<string, () => string> = {
  template_not_found: () => `: '${ownCommand()} templates ls' lists them`,
};

/** What an error says to the user; the code of the catalogue, when it has one, is for scripts and for searching. */
export function describe(error: unknown): string {
  if (error instanceof WarrenError) return `${error.message} (${error.code})${ADVICE[error.code]?.() ?? ""}`;
  if (isSystemError(error)) return `${error.path}: ${getSystemErrorMessage(error.errno)}`;
  if (error instanceof Error) return error.message;
  return String(error);
}

/** Whether an error is one of the system's about a file here. */
function isSystemError(error: unknown): error is Error & { errno: number; path: string } {
  return error instanceof Error && "errno" in error && typeof error.errno === "number" && "path" in error;
}
