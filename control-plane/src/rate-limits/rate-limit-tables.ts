/** Table `rate_limits`. */
export interface RateLimitsTable {
  /** Hash of who does what. */
  key: string;
  /** Theoretical arrival time of the generic cell rate algorithm. */
  tat: Date;
}

/** Table `login_attempts`. */
export interface LoginAttemptsTable {
  /** Hash of account and network. */
  key: string;
  failures: number;
  locked_until: Date;
  /** When the row is as good as none. */
  forget_at: Date;
}

declare module "../database/tables.ts" {
  interface Tables {
    rate_limits: RateLimitsTable;
    login_attempts: LoginAttemptsTable;
  }
}
