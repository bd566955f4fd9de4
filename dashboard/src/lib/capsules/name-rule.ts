const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;

/** What names of capsules and snapshots are made of. */
export const NAME_RULE = "Letters, digits and . _ -, the first a letter or digit";

/** What is wrong with a name as it is typed; one may be left out. */
export function nameProblem(name: string): string | undefined {
  return name.trim() === "" || NAME.test(name.trim()) ? undefined : `${NAME_RULE}.`;
}
