/** SQLSTATE of a row that a unique index refuses (PostgreSQL documentation, appendix A). */
const UNIQUE_VIOLATION = "23505";

/** Whether a statement failed because a row with the same unique value is there, made by somebody who was faster. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && (error as Error & { code?: unknown }).code === UNIQUE_VIOLATION;
}
