import type { ITheme } from "@xterm/xterm";

const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;
const BRIGHT = ["Black", "Red", "Green", "Yellow", "Blue", "Magenta", "Cyan", "White"] as const;

/** Colours of a terminal, of the tokens that are in force; one that stands `still` is grey, and has no cursor. */
export function terminalTheme(still: boolean): ITheme {
  const tokens = getComputedStyle(document.documentElement);
  const token = (name: string) => tokens.getPropertyValue(name).trim();
  const background = token("--surface");
  const selectionBackground = token("--accent-soft");
  if (still) {
    const grey = token("--muted");
    const all = Object.fromEntries([...COLOURS, ...BRIGHT.map((name) => `bright${name}`)].map((name) => [name, grey]));
    return { background, selectionBackground, foreground: grey, cursor: background, cursorAccent: grey, ...all };
  }
  return {
    background,
    foreground: token("--ink"),
    cursor: token("--accent"),
    cursorAccent: background,
    selectionBackground,
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
