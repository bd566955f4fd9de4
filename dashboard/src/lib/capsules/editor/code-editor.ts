import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension, type Text } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { editorColours, editorLook } from "./editor-theme.ts";
import type { TextFile } from "./text-file.ts";

export interface CodeEditorOptions {
  file: TextFile;
  /** What it holds, for screen readers. */
  label: string;
  /** Loaded after the text is there. */
  language: Promise<Extension> | undefined;
  dark: boolean;
  /** Called after each change with whether the text is another than the one that was saved last. */
  onChange: (isChanged: boolean) => void;
  onSave: () => void;
}

/** A code editor. Escape, then Tab leaves it: Tab alone indents. */
export class CodeEditor {
  readonly #view: EditorView;
  readonly #options: CodeEditorOptions;
  readonly #look = new Compartment();
  readonly #language = new Compartment();
  /** What is in the file of the capsule. */
  #saved: Text;

  /**
   * It stands in a shadow root, where its styles are sheets that the root adopts: as elements of style they would be against the
   * policy of the pages.
   */
  constructor(host: HTMLElement, options: CodeEditorOptions) {
    this.#options = options;
    const root = host.attachShadow({ mode: "open" });
    const state = EditorState.create({ doc: options.file.text, extensions: this.#extensions() });
    this.#saved = state.doc;
    this.#view = new EditorView({ state, parent: root, root });
    void options.language?.then((language) => {
      this.#view.dispatch({ effects: this.#language.reconfigure(language) });
    });
  }

  /** The text, with the ends of lines that the file has. */
  get text(): string {
    return this.#view.state.sliceDoc();
  }

  focus(): void {
    this.#view.focus();
  }

  /** Takes a text, which {@link text} gave, for the one that is saved. */
  setSaved(text: string): void {
    this.#saved = this.#view.state.toText(text);
    this.#tell();
  }

  setDark(dark: boolean): void {
    this.#view.dispatch({ effects: this.#look.reconfigure(editorLook(dark)) });
  }

  destroy(): void {
    this.#view.destroy();
  }

  #tell(): void {
    this.#options.onChange(!this.#view.state.doc.eq(this.#saved));
  }

  #extensions(): Extension {
    const { file, label, dark, onSave } = this.#options;
    const save = () => {
      onSave();
      return true;
    };
    return [
      EditorState.lineSeparator.of(file.lineSeparator),
      indentUnit.of(indentOf(file.text)),
      lineNumbers(),
      foldGutter(),
      highlightActiveLineGutter(),
      highlightActiveLine(),
      highlightSpecialChars(),
      highlightSelectionMatches(),
      drawSelection(),
      history(),
      indentOnInput(),
      bracketMatching(),
      closeBrackets(),
      syntaxHighlighting(editorColours),
      EditorView.contentAttributes.of({ "aria-label": label }),
      EditorView.updateListener.of(({ docChanged }) => {
        if (docChanged) this.#tell();
      }),
      keymap.of([
        { key: "Mod-s", run: save, preventDefault: true },
        ...closeBracketsKeymap,
        ...searchKeymap,
        ...historyKeymap,
        ...foldKeymap,
        indentWithTab,
        ...defaultKeymap,
      ]),
      this.#look.of(editorLook(dark)),
      this.#language.of([]),
    ];
  }
}

/** What the file indents by: a tab where its first indented line has one, else the fewest spaces from two on, and two at first. */
function indentOf(text: string): string {
  const begins = text.match(/^(?:\t| {2,8})(?=\S)/gm)?.slice(0, 1000) ?? [];
  if (begins[0] === "\t") return "\t";
  return " ".repeat(begins.length === 0 ? 2 : Math.min(...begins.map(({ length }) => length)));
}
