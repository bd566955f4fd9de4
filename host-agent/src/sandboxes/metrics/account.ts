/** Milliseconds of a day. */
const DAY_MS = 86_400_000;

/** What a sandbox has used. */
export interface Usage {
  /** Microseconds of processor time of its microVMs. */
  cpuUs: number;
  /** Memory that was reserved for it while it had a microVM, MiB × milliseconds. */
  memoryMbMs: number;
  /** Disk that was its own, MiB × milliseconds. */
  diskMbMs: number;
  /** Bytes that its network card sent. */
  egressBytes: number;
}

/** What a sandbox has used in one day. */
export interface DayUsage extends Usage {
  /** Round in which it grew last. */
  round: number;
}

/** Counters of a microVM, each from its start on. */
export interface MachineCounters {
  cpuUs: number;
  rxBytes: number;
  txBytes: number;
}

/** The microVM that a sandbox has, and what its counters said when they were read last. */
export interface MeteredMachine extends MachineCounters {
  /** Tells its process from every other of the host. */
  process: string;
}

/** What has been used since the last point of the series. */
export interface Span extends MachineCounters {
  /** Milliseconds since the epoch. */
  since: number;
  /** It had a microVM at some time of it. */
  isLive: boolean;
}

/** What is kept of the use of one sandbox. */
export interface Account {
  id: string;
  teamId: string;
  /** MiB that its microVM has reserved. */
  memoryMb: number;
  /** Up to when it is counted, milliseconds since the epoch. */
  at: number;
  /** MiB of disk that it had then. */
  diskMb: number;
  machine?: MeteredMachine;
  span: Span;
  /** By days in UTC, such as 2026-01-31. */
  days: Record<string, DayUsage>;
  /** Nothing more will come: the sandbox is gone. */
  ended?: true;
}

/** An account of a sandbox that has used nothing until `at`. */
export function openAccount(sandbox: { id: string; teamId: string; memoryMb: number; at: number }): Account {
  const { id, teamId, memoryMb, at } = sandbox;
  const span = { since: at, isLive: false, cpuUs: 0, rxBytes: 0, txBytes: 0 };
  return { id, teamId, memoryMb, at, diskMb: 0, span, days: {} };
}

/** A moment at which an account is settled. */
export interface Settlement {
  /** Milliseconds since the epoch. */
  now: number;
  /** Milliseconds since the account was settled last, whatever the clock did meanwhile. */
  elapsedMs: number;
  /** The round under way. */
  round: number;
  /** What the counters of the microVM say, if it has one and they were read. */
  counters?: MachineCounters | undefined;
}

/**
 * Counts what was used since the account was settled last: the memory of the microVM that it had throughout, the disk of
 * then, and what the counters of that microVM have moved by. A counter that reads less than before has moved by nothing.
 */
export function settle(account: Account, { now, elapsedMs, round, counters }: Settlement): void {
  const { machine, span, memoryMb, diskMb } = account;
  const moved = (name: keyof MachineCounters) => Math.max(0, (counters?.[name] ?? 0) - (machine?.[name] ?? 0));
  const [cpuUs, rxBytes, txBytes] =
    machine && counters ? [moved("cpuUs"), moved("rxBytes"), moved("txBytes")] : [0, 0, 0];
  const used = {
    cpuUs,
    memoryMbMs: machine ? memoryMb * elapsedMs : 0,
    diskMbMs: diskMb * elapsedMs,
    egressBytes: txBytes,
  };
  // The days are those of the present clock: one that was put forward has not let the days between go by.
  for (const [day, part] of partsByDay(now - elapsedMs, now)) {
    account.days[day] ??= { cpuUs: 0, memoryMbMs: 0, diskMbMs: 0, egressBytes: 0, round };
    const total = account.days[day];
    total.round = round;
    for (const name of Object.keys(used) as (keyof Usage)[]) total[name] += used[name] * part;
  }
  span.isLive ||= machine !== undefined;
  span.cpuUs += cpuUs;
  span.rxBytes += rxBytes;
  span.txBytes += txBytes;
  if (machine && counters) account.machine = { process: machine.process, ...larger(machine, counters) };
  account.at = now;
}

function larger(before: MachineCounters, after: MachineCounters): MachineCounters {
  return {
    cpuUs: Math.max(before.cpuUs, after.cpuUs),
    rxBytes: Math.max(before.rxBytes, after.rxBytes),
    txBytes: Math.max(before.txBytes, after.txBytes),
  };
}

/** The days in UTC that a span of time lies in, with the part of it that lies in each; the last one has all of no time. */
export function partsByDay(from: number, to: number): [day: string, part: number][] {
  if (to <= from) return [[dayOf(to), 1]];
  const parts: [string, number][] = [];
  for (let start = from; start < to; ) {
    const end = Math.min(to, (Math.floor(start / DAY_MS) + 1) * DAY_MS);
    parts.push([dayOf(start), (end - start) / (to - from)]);
    start = end;
  }
  return parts;
}

/** The day in UTC of a time in milliseconds since the epoch. */
export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
