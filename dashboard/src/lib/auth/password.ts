/** Bounds of a password, as the API has them. */
const LEAST_CHARACTERS = 8;
const MOST_BYTES = 72;

/** What is wrong with a new password, if anything is. */
export function passwordProblem(password: string): string | undefined {
  if ([...password].length < LEAST_CHARACTERS) return `Use at least ${LEAST_CHARACTERS} characters.`;
  if (new TextEncoder().encode(password).length > MOST_BYTES) return `Use at most ${MOST_BYTES} bytes.`;
  return undefined;
}
