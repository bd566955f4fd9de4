import { HighlightStyle } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

/** Colours of code, of the tokens of the pages, which reach into the shadow root. */
export const editorColours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier, tags.controlKeyword], color: "var(--missing)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp, tags.inserted], color: "var(--running)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.escape], color: "var(--paused)" },
  { tag: [tags.comment, tags.meta, tags.processingInstruction], color: "var(--muted)" },
  { tag: [tags.typeName, tags.className, tags.namespace, tags.tagName, tags.link, tags.url], color: "var(--accent)" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName)], color: "var(--accent-strong)" },
  { tag: [tags.invalid, tags.deleted], color: "var(--failed)" },
  { tag: [tags.heading, tags.strong], fontWeight: "600" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strikethrough, textDecoration: "line-through" },
]);

/** How the editor looks. */
export function editorLook(dark: boolean): Extension {
  return EditorView.theme(
    {
      "&": { height: "100%", backgroundColor: "var(--surface)", color: "var(--ink)", fontSize: "13px" },
      // Its edge shows the focus.
      "&.cm-focused": { outline: "none" },
      ".cm-scroller": { fontFamily: "var(--font-mono, monospace)", lineHeight: "20px" },
      ".cm-content": { caretColor: "var(--accent)" },
      ".cm-cursor": { borderLeftColor: "var(--accent)" },
      ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", borderRight: "1px solid var(--line)" },
      ".cm-activeLineGutter": { backgroundColor: "var(--hover)" },
      "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
        backgroundColor: "var(--accent-soft)",
      },
      ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--hover) 60%, transparent)" },
      ".cm-selectionMatch, .cm-searchMatch": { backgroundColor: "var(--paused-soft)" },
      ".cm-searchMatch-selected": { outline: "1px solid var(--paused)" },
      ".cm-matchingBracket": { outline: "1px solid var(--line-strong)", backgroundColor: "transparent" },
      ".cm-specialChar": { color: "var(--failed)" },
      ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--ink)" },
      ".cm-panels.cm-panels-bottom": { borderTop: "1px solid var(--line)" },
      ".cm-textfield, .cm-button": {
        backgroundColor: "var(--surface)",
        backgroundImage: "none",
        color: "var(--ink)",
        border: "1px solid var(--line-strong)",
        borderRadius: "4px",
      },
      ".cm-foldPlaceholder": {
        backgroundColor: "var(--hover)",
        border: "1px solid var(--line)",
        color: "var(--muted)",
      },
    },
    { dark },
  );
}
