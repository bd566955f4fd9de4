/** How a bench is to be run. */
export interface BenchOptions {
  /** Puts its table into docs/performance.md. */
  write: boolean;
  /** Root of an older checkout, with its packages, that is measured in turn with this one. */
  before?: string;
}
