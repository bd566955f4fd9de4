import { WarrenError } from "@warren/contracts/errors";
import type { SandboxReasonCode } from "@warren/contracts/rest/sandboxes";
import type { VmExit } from "../../vmm/vmm.ts";

/** Characters of what a guest printed that go into a reason. */
const QUOTE_LENGTH = 200;
/** Lines of the console of a guest that panicked that go into a reason, from the panic on and before it. */
const CONSOLE_LINES = 12;
/** First words of the line with which Linux ends, in kernel/panic.c. One that stays repeats them behind "end", with marks. */
const PANIC = /(?<!end )Kernel panic - not syncing: ([^\r\n]*)/g;

/** Why a sandbox is in its status, when no caller asked for it. */
export interface SandboxReason {
  code: SandboxReasonCode;
  message: string;
  /** The last lines of its console, when its kernel panicked. */
  console?: string;
  /** Milliseconds since the epoch. */
  at: number;
}

export function reasonOf(code: SandboxReasonCode, message: string, console?: string): SandboxReason {
  return { code, message, ...(console !== undefined && { console }), at: Date.now() };
}

/** Why a sandbox has lost its microVM. A guest can pretend one way of ending itself for another, and nothing else. */
export function reasonOfExit({ cause, consoleTail }: VmExit): SandboxReason {
  switch (cause) {
    case "power_off":
      return reasonOf("guest_powered_off", "its system powered itself off");
    case "reset": {
      // A kernel that panics resets the machine, after its last words on the console.
      const words = panicWords(consoleTail);
      if (words === undefined) return reasonOf("guest_rebooted", "its system rebooted, with which a microVM ends");
      return reasonOf("guest_panicked", `its kernel panicked: ${quote(words)}`, lastLines(consoleTail));
    }
    case "process":
      return reasonOf("microvm_lost", "its microVM was killed or failed");
  }
}

/** What the kernel of a guest said last when it panicked, by its console. */
export function panicWords(console: string): string | undefined {
  return [...console.matchAll(PANIC)].at(-1)?.[1];
}

/**
 * The last lines of a console for a reason, each of printable ASCII: those with which the last panic begins when more follow
 * it, since its words and the trace behind them say the most.
 */
export function lastLines(console: string): string {
  const lines = console.split(/[\r\n]+/).filter((line) => line.trim() !== "");
  const panic = lines.findLastIndex((line) => panicWords(line) !== undefined);
  const last = Math.max(0, lines.length - CONSOLE_LINES);
  const first = panic < 0 ? last : Math.min(panic, last);
  return lines
    .slice(first, first + CONSOLE_LINES)
    .map(quote)
    .join("\n");
}

/** What calls into a sandbox get whose guest was found to have hung, for this reason. */
export function silentError(id: string, reason: SandboxReason): WarrenError {
  return new WarrenError("guest_unreachable", `sandbox ${id} does not answer: ${reason.message}`);
}

/** What a call into a sandbox gets that has ended by itself. */
export function endedError(id: string, reason: SandboxReason): WarrenError {
  return new WarrenError("invalid_state", `sandbox ${id} has ended: ${reason.message}`);
}

/** Whether a reason is that of a sandbox whose vCPUs were stopped for the sake of the host's disk. */
export function isHeldFor({ code }: SandboxReason): boolean {
  return code === "host_disk_full" || code === "host_disk_failed";
}

/** What calls into a sandbox get while it is held. */
export function heldError(id: string, reason: SandboxReason): WarrenError {
  return new WarrenError("host_disk_full", `sandbox ${id} stands still: ${reason.message}`);
}

/** Printable ASCII of a text of the guest. */
export function quote(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, QUOTE_LENGTH);
}
