import type { ITheme } from "@xterm/xterm";

/** Colours of a terminal, of the tokens that are in force. */
export function terminalTheme(): ITheme {
  const tokens = getComputedStyle(document.documentElement);
  const token = (name: string) => tokens.getPropertyValue(name).trim();
  return {
    background: token("--surface"),
    foreground: token("--ink"),
    cursor: token("--accent"),
    cursorAccent: token("--surface"),
    selectionBackground: token("--accent-soft"),
    red: token("--failed"),
    green: token("--running"),
    yellow: token("--paused"),
    magenta: token("--missing"),
    cyan: token("--accent"),
  };
}

/** Fonts of a terminal. */
export function terminalFont(): string {
  return getComputedStyle(document.documentElement).getPropertyValue("--font-mono") || "monospace";
}
