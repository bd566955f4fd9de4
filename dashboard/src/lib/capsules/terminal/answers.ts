import type { IFunctionIdentifier, Terminal } from "@xterm/xterm";

/** What programs ask terminals: what they are, where the cursor stands, which modes and settings are on. */
const CSI_QUESTIONS: readonly IFunctionIdentifier[] = [
  { final: "c" },
  { prefix: ">", final: "c" },
  { prefix: "=", final: "c" },
  { final: "n" },
  { prefix: "?", final: "n" },
  { intermediates: "$", final: "p" },
  { prefix: "?", intermediates: "$", final: "p" },
];
const DCS_QUESTION: IFunctionIdentifier = { intermediates: "$", final: "q" };
/** Numbers of the colours that are set, or asked for by a `?`. */
const OSC_COLOURS = [4, 10, 11, 12];

/**
 * Has a terminal answer programs only while it may. An answer is input: to a question of long ago, or from the second of two
 * browsers that show the same shell, it would be typed into whatever reads now.
 */
export function answerWhen(terminal: Terminal, may: () => boolean): void {
  const { parser } = terminal;
  // What a handler says it has handled goes to no other.
  for (const question of CSI_QUESTIONS) parser.registerCsiHandler(question, () => !may());
  parser.registerDcsHandler(DCS_QUESTION, () => !may());
  for (const colour of OSC_COLOURS) parser.registerOscHandler(colour, (data) => data.includes("?") && !may());
}
