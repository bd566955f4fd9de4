/** What one check found. `fail`: no sandbox can run here; `warn`: sandboxes run with something missing. */
export interface Finding {
  /** What was looked at, in a word or two. */
  check: string;
  status: "ok" | "warn" | "fail";
  /** What was found, such as a version. */
  found: string;
  /** What follows from a lack, and what to do about it. */
  consequence?: string;
}

/** One check. It leaves nothing behind, and throws only when it is itself at fault. */
export interface Check {
  name: string;
  run(): Promise<Omit<Finding, "check">>;
}
