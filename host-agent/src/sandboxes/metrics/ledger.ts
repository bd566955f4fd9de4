import { randomUUID } from "node:crypto";
import type { Account, DayUsage } from "./account.ts";

/** Points that wait for a control plane at most: those of 200 sandboxes for an hour and a half. The oldest go first. */
const MAX_POINTS = 100_000;
/** Accounts of sandboxes that are gone which wait at most. The oldest go first. */
const MAX_ENDED = 20_000;
/** Points, and days of sandboxes, of one answer; those of one round are not divided. */
const MAX_ANSWER = 10_000;

/**
 * Days of a sandbox, those in which it was counted last, whose figures go on from where they are though they were kept: a clock
 * that is put back, over midnight or from a day that it was ahead in, names one of them again.
 */
const OPEN_DAYS = 3;

/**
 * Rounds that a ledger which is read again goes ahead: more than can have been collected since it was written, so that none
 * of them is taken for one that was kept.
 */
const AHEAD = 1_000_000;

/** A sandbox over a span of time. */
export interface MetricPoint {
  sandboxId: string;
  /** End of the span, milliseconds since the epoch. */
  at: number;
  spanMs: number;
  cpuUs: number;
  rxBytes: number;
  txBytes: number;
  /** Bytes in use in the guest, as its agent says; absent when it says nothing. */
  memoryBytes?: number;
  /** Bytes of the host's memory that the VMM process has. */
  vmmMemoryBytes: number;
  diskBytes: number;
  /** Round in which it was measured. */
  round: number;
}

/** What a sandbox has used in one day, in UTC. */
export interface UsedDay extends DayUsage {
  sandboxId: string;
  teamId: string;
  /** Such as 2026-01-31. */
  day: string;
}

/** What of a ledger a control plane has kept: all up to these rounds. */
export interface LedgerCursor {
  ledger: string;
  points: number;
  usage: number;
}

/** What a control plane has not kept yet, or the first of it. */
export interface Collected {
  points: MetricPoint[];
  usage: UsedDay[];
  cursor: LedgerCursor;
  more: boolean;
}

/** What is written of a ledger, but for its points. */
export interface LedgerState {
  id: string;
  round: number;
  accounts: Account[];
}

/** What the sandboxes of a host have used, until a control plane has kept it. */
export class Ledger {
  readonly id: string;
  /** Nothing of it was written before. */
  readonly isNew: boolean;
  readonly accounts = new Map<string, Account>();
  #round: number;
  #points: MetricPoint[];

  /** A new one, or one that was written, with points in the order of their rounds. */
  constructor(state?: LedgerState, points: MetricPoint[] = []) {
    this.id = state?.id ?? randomUUID();
    this.isNew = state === undefined;
    this.#points = points;
    this.#round = state ? Math.max(state.round, points.at(-1)?.round ?? 0) + AHEAD : 1;
    for (const account of state?.accounts ?? []) this.accounts.set(account.id, account);
  }

  get state(): LedgerState {
    return { id: this.id, round: this.#round, accounts: [...this.accounts.values()] };
  }

  get points(): readonly MetricPoint[] {
    return this.#points;
  }

  /** The round under way, in which whatever changes is noted as changed. */
  get round(): number {
    return this.#round;
  }

  /** Begins a round. What came before it can be collected; returns how many points and accounts there was no room for. */
  nextRound(): { points: number; accounts: number } {
    this.#round += 1;
    const points = Math.max(0, this.#points.length - MAX_POINTS);
    if (points > 0) this.#points.splice(0, points);
    const ended = [...this.accounts.values()].filter((account) => account.ended);
    const left = ended.slice(0, Math.max(0, ended.length - MAX_ENDED));
    for (const { id } of left) this.accounts.delete(id);
    return { points, accounts: left.length };
  }

  add(point: Omit<MetricPoint, "round">): void {
    this.#points.push({ ...point, round: this.#round });
  }

  /**
   * Forgets what has been kept, and gives what has not, of rounds that are over. Days that are over are given until they are
   * kept, today's as often as it changes.
   */
  collect(kept: LedgerCursor | undefined): Collected {
    const cursor = kept?.ledger === this.id ? kept : { ledger: this.id, points: 0, usage: 0 };
    this.#forget(cursor);
    const points = firstOf(this.#points, this.#round);
    const changed = [...this.accounts.values()]
      .flatMap(usedDaysOf)
      .filter(({ round }) => round > cursor.usage)
      .sort((one, other) => one.round - other.round);
    const usage = firstOf(changed, this.#round);
    return {
      points: points.first,
      usage: usage.first,
      cursor: {
        ledger: this.id,
        points: points.first.at(-1)?.round ?? cursor.points,
        usage: usage.first.at(-1)?.round ?? cursor.usage,
      },
      more: points.more || usage.more,
    };
  }

  #forget(kept: LedgerCursor): void {
    const firstLeft = this.#points.findIndex(({ round }) => round > kept.points);
    this.#points.splice(0, firstLeft === -1 ? this.#points.length : firstLeft);
    for (const { id, days, ended } of this.accounts.values()) {
      const latestFirst = Object.entries(days).sort(byLatest);
      const over = ended ? latestFirst : latestFirst.slice(OPEN_DAYS);
      for (const [day, { round }] of over) if (round <= kept.usage) delete days[day];
      if (ended && Object.keys(days).length === 0) this.accounts.delete(id);
    }
  }
}

function usedDaysOf({ id, teamId, days }: Account): UsedDay[] {
  return Object.entries(days).map(([day, used]) => ({ sandboxId: id, teamId, day, ...used }));
}

/** The day that was counted last comes first; of those of one round, the later. */
function byLatest([day, one]: [string, DayUsage], [other, { round }]: [string, DayUsage]): number {
  return round - one.round || (day < other ? 1 : -1);
}

/** The first of what is in order of rounds, in whole rounds that are over. */
function firstOf<T extends { round: number }>(all: readonly T[], current: number): { first: T[]; more: boolean } {
  const first: T[] = [];
  for (const item of all) {
    if (item.round >= current) break;
    if (first.length >= MAX_ANSWER && item.round !== first.at(-1)?.round) return { first, more: true };
    first.push(item);
  }
  return { first, more: false };
}
