/** The command that a text names: a process id in digits, or a tag, which never is all digits. */
export function selectorOf(text: string): {
  selector: { case: "pid"; value: number } | { case: "tag"; value: string };
} {
  return { selector: /^\d+$/.test(text) ? { case: "pid", value: Number(text) } : { case: "tag", value: text } };
}
