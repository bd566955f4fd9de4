/** When and how often a safe call is repeated. */
export interface RetryPolicy {
  /** Attempts in all; 1 = no retry. */
  attempts: number;
  /** Milliseconds before the second attempt; doubled for each further one. */
  firstDelayMs: number;
  /** Most milliseconds that a server's Retry-After is obeyed; a longer one ends the attempts. */
  longestDelayMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 3, firstDelayMs: 200, longestDelayMs: 20_000 };

/** Statuses by which a server says that the same request may succeed later (RFC 9110, RFC 6585). */
const RETRIED_STATUSES = new Set([429, 502, 503, 504]);

/** What one attempt met: a status, and the value of its Retry-After; or no answer at all. */
export interface Failure {
  status?: number;
  retryAfter?: string | undefined;
}

/** Milliseconds to wait before attempt `attempt` + 1 (from 1), or undefined to give up. */
export function delayBeforeRetry(policy: RetryPolicy, attempt: number, failure: Failure, now: number) {
  if (attempt >= policy.attempts) return undefined;
  if (failure.status !== undefined && !RETRIED_STATUSES.has(failure.status)) return undefined;
  const asked = failure.retryAfter === undefined ? undefined : parseRetryAfter(failure.retryAfter, now);
  const delay = asked ?? policy.firstDelayMs * 2 ** (attempt - 1);
  return delay > policy.longestDelayMs ? undefined : delay;
}

/** Milliseconds of a Retry-After header: seconds or an HTTP date (RFC 9110, 10.2.3); undefined when it is neither. */
export function parseRetryAfter(value: string, now: number): number | undefined {
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  // The three date formats of RFC 9110, 5.6.7, all begin with a letter; Date.parse takes far more than those.
  const date = /^\s*[A-Za-z]/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
