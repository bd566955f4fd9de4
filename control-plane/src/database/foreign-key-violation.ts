/** SQLSTATE of a row that refers to one that is not there (PostgreSQL documentation, appendix A). */
const FOREIGN_KEY_VIOLATION = "23503";

/** Whether a statement failed because what a row refers to was removed by somebody who was faster. */
export function isForeignKeyViolation(error: unknown): boolean {
  return error instanceof Error && (error as Error & { code?: unknown }).code === FOREIGN_KEY_VIOLATION;
}
