import type { Extension } from "@codemirror/state";

/** A language of the editor, whose code is loaded when a file of it is opened. */
export interface EditorLanguage {
  label: string;
  load: () => Promise<Extension>;
}

type StreamMode = import("@codemirror/language").StreamParser<unknown>;

/** One of the modes that came from the editor's former version. */
function legacy(label: string, mode: () => Promise<unknown>): EditorLanguage {
  const load = async () => {
    const [{ StreamLanguage }, parser] = await Promise.all([import("@codemirror/language"), mode()]);
    return StreamLanguage.define(parser as StreamMode);
  };
  return { label, load };
}

function script(label: string, options: { jsx?: boolean; typescript?: boolean }): EditorLanguage {
  return { label, load: async () => (await import("@codemirror/lang-javascript")).javascript(options) };
}

const SHELL = legacy("Shell", async () => (await import("@codemirror/legacy-modes/mode/shell")).shell);
const PYTHON: EditorLanguage = {
  label: "Python",
  load: async () => (await import("@codemirror/lang-python")).python(),
};
const JAVASCRIPT = script("JavaScript", { jsx: true });
const RUBY = legacy("Ruby", async () => (await import("@codemirror/legacy-modes/mode/ruby")).ruby);
const PERL = legacy("Perl", async () => (await import("@codemirror/legacy-modes/mode/perl")).perl);
const DOCKERFILE = legacy(
  "Dockerfile",
  async () => (await import("@codemirror/legacy-modes/mode/dockerfile")).dockerFile,
);
const PROPERTIES = legacy(
  "Properties",
  async () => (await import("@codemirror/legacy-modes/mode/properties")).properties,
);
const TOML = legacy("TOML", async () => (await import("@codemirror/legacy-modes/mode/toml")).toml);
const C = legacy("C", async () => (await import("@codemirror/legacy-modes/mode/clike")).c);
const CPP = legacy("C++", async () => (await import("@codemirror/legacy-modes/mode/clike")).cpp);
const XML = legacy("XML", async () => (await import("@codemirror/legacy-modes/mode/xml")).xml);
const DIFF = legacy("Diff", async () => (await import("@codemirror/legacy-modes/mode/diff")).diff);

/** Languages by the endings of names, in small letters. */
const BY_ENDING: [endings: string, language: EditorLanguage][] = [
  ["js mjs cjs jsx", JAVASCRIPT],
  ["ts mts cts", script("TypeScript", { typescript: true })],
  ["tsx", script("TypeScript", { typescript: true, jsx: true })],
  ["py pyi pyw", PYTHON],
  ["json jsonl webmanifest", { label: "JSON", load: async () => (await import("@codemirror/lang-json")).json() }],
  ["md markdown", { label: "Markdown", load: async () => (await import("@codemirror/lang-markdown")).markdown() }],
  ["html htm xhtml", { label: "HTML", load: async () => (await import("@codemirror/lang-html")).html() }],
  ["css", { label: "CSS", load: async () => (await import("@codemirror/lang-css")).css() }],
  ["yaml yml", { label: "YAML", load: async () => (await import("@codemirror/lang-yaml")).yaml() }],
  ["go", { label: "Go", load: async () => (await import("@codemirror/lang-go")).go() }],
  ["rs", { label: "Rust", load: async () => (await import("@codemirror/lang-rust")).rust() }],
  ["sh bash zsh ksh bashrc profile bash_profile zshrc", SHELL],
  ["rb", RUBY],
  ["pl pm", PERL],
  ["toml", TOML],
  ["ini cfg conf properties env editorconfig service", PROPERTIES],
  ["c h", C],
  ["cc cpp cxx hpp hh", CPP],
  ["java", legacy("Java", async () => (await import("@codemirror/legacy-modes/mode/clike")).java)],
  ["cs", legacy("C#", async () => (await import("@codemirror/legacy-modes/mode/clike")).csharp)],
  ["kt kts", legacy("Kotlin", async () => (await import("@codemirror/legacy-modes/mode/clike")).kotlin)],
  ["swift", legacy("Swift", async () => (await import("@codemirror/legacy-modes/mode/swift")).swift)],
  ["lua", legacy("Lua", async () => (await import("@codemirror/legacy-modes/mode/lua")).lua)],
  ["r", legacy("R", async () => (await import("@codemirror/legacy-modes/mode/r")).r)],
  ["sql", legacy("SQL", async () => (await import("@codemirror/legacy-modes/mode/sql")).standardSQL)],
  ["xml svg xsd", XML],
  ["diff patch", DIFF],
];

/** Languages of whole names, in small letters. */
const BY_NAME: Record<string, EditorLanguage> = {
  dockerfile: DOCKERFILE,
  containerfile: DOCKERFILE,
  "cargo.lock": TOML,
  gemfile: RUBY,
};

/** Languages of programs that a first line names: `#!/usr/bin/env python3`. */
const BY_PROGRAM: [program: RegExp, language: EditorLanguage][] = [
  [/^(ba|da|z|k|a)?sh$/, SHELL],
  [/^python[\d.]*$/, PYTHON],
  [/^(node|deno|bun)$/, JAVASCRIPT],
  [/^ruby[\d.]*$/, RUBY],
  [/^perl[\d.]*$/, PERL],
];

/** The language of a file, by its name or else by the program that its first line names; undefined when it has none here. */
export function languageOf(name: string, text: string): EditorLanguage | undefined {
  const lower = name.toLowerCase();
  const ending = lower.slice(lower.lastIndexOf(".") + 1);
  const known = Object.hasOwn(BY_NAME, lower) ? BY_NAME[lower] : undefined;
  const ended = lower.includes(".")
    ? BY_ENDING.find(([endings]) => endings.split(" ").includes(ending))?.[1]
    : undefined;
  if (known ?? ended) return known ?? ended;
  const [, command = ""] = /^#!\s*(\S+(?:\s+\S+)?)/.exec(text.slice(0, 200)) ?? [];
  const [path = "", argument = ""] = command.split(/\s+/);
  const named = path.endsWith("/env") ? argument : path;
  const program = named.slice(named.lastIndexOf("/") + 1);
  return BY_PROGRAM.find(([pattern]) => pattern.test(program))?.[1];
}
