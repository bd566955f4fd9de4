import type { ProcessInfo } from "@warren/contracts/gen/process/process_pb";
import { LIMITS } from "@warren/contracts/limits";
import { type CommandExit, commandExit } from "./exit.ts";
import { guestText } from "./guest-text.ts";

/** Commands in one list, and bytes of its JSON: the guest agent leaves older ones out, and cuts their texts to 2 KiB. */
export const LIST_BOUNDS = { items: 1024, bytes: 1024 * 1024 };
/** Characters of all texts of one command. */
const MAX_TEXT = 4096;
/** Characters of a tag. Programs in the guest may give others than Warren takes. */
const MAX_TAG = 64;
/** Times that RFC 3339 can write, up to the year 9999. */
const LAST_TIME_MS = Date.parse("9999-12-31T23:59:59.999Z");

/** A command of a sandbox as its list tells it. */
export interface ListedCommand {
  pid: number;
  /** Empty = none. */
  tag: string;
  cmd: string;
  args: string[];
  /** Working directory that was asked for; empty = the default. */
  cwd: string;
  user: string;
  /** Milliseconds since 1970. */
  startedAt: number;
  terminal: boolean;
  background: boolean;
  /** Bytes of output so far, and where in them what is kept begins. */
  outputBytes: number;
  outputFrom: number;
  /** Processor time and memory of all its processes. */
  cpuMs: number;
  memoryBytes: number;
  /** How and when it ended; undefined while it lives. */
  exit?: CommandExit;
  endedAt?: number;
}

/** A command as the guest tells it, in bounds. */
export function listedCommand(info: ProcessInfo): ListedCommand {
  let left = MAX_TEXT;
  const take = (text: string) => {
    const taken = text.slice(0, left).toWellFormed();
    left -= taken.length;
    return taken;
  };
  const { cmd = "", args = [], cwd = "" } = info.config ?? {};
  const outputBytes = whole(info.outputBytes);
  return {
    pid: info.pid,
    tag: tagText(info.tag),
    cmd: take(cmd),
    cwd: take(cwd),
    args: args.slice(0, LIMITS.execArgs).map(take),
    user: guestText(info.user).slice(0, LIMITS.guestUserCharacters),
    startedAt: time(info.startedAtUnixMs),
    terminal: info.terminal,
    background: info.keepsOutput,
    outputBytes,
    outputFrom: Math.min(whole(info.outputFrom), outputBytes),
    cpuMs: whole(info.cpuMs),
    memoryBytes: whole(info.memoryBytes),
    // When its time was up is not known here.
    ...(info.end && { exit: commandExit(info.end, true), endedAt: time(info.endedAtUnixMs) }),
  };
}

/** A tag as people read it; one that is in the form of Warren's is as it was given. */
export function tagText(tag: string | undefined): string {
  return guestText(tag).slice(0, MAX_TAG);
}

function whole(value: bigint): number {
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

function time(ms: bigint): number {
  return Math.min(Math.max(Number(ms), 0), LAST_TIME_MS);
}
