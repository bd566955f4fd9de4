/** What one run of vitest found. */
export interface TestResults {
  files: TestFile[];
  errorsOutsideTests: number;
}

export interface TestFile {
  /** From the repository on. */
  path: string;
  project: string;
  /** All that its tests and hooks took. */
  milliseconds: number;
  /** Messages of what failed outside its tests: while it was loaded, or in a hook. */
  errors: string[];
  tests: TestCase[];
}

export interface TestCase {
  /** With the names of its groups. */
  name: string;
  /** `pending`: it was never run. */
  state: "passed" | "failed" | "skipped" | "pending";
  milliseconds: number;
  /** Why it was skipped. */
  note?: string;
}
