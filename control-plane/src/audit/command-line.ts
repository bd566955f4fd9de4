/** Characters of a command line that is recorded. */
const MOST = 4000;
/** Words that a shell takes as they are. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/** The words of a command as a shell would be given them, cut off where they are too many. */
export function commandLine(words: readonly string[]): string {
  let line = "";
  for (const word of words) {
    const quoted = PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
    line += line === "" ? quoted : ` ${quoted}`;
    if (line.length > MOST) return `${line.slice(0, MOST)}…`;
  }
  return line;
}
