import { EditorState } from "@codemirror/state";
import { expect, it } from "vitest";
import { languageOf } from "./languages.ts";

it.each([
  ["main.PY", "", "Python"],
  ["app.test.tsx", "", "TypeScript"],
  ["Dockerfile", "", "Dockerfile"],
  [".bashrc", "", "Shell"],
  ["run", "#!/bin/sh -e\n", "Shell"],
  ["run", "#!/usr/bin/env python3\nprint(1)", "Python"],
  ["notes.txt", "#! nothing", undefined],
  ["constructor", "", undefined],
  ["py", "", undefined],
  ["data.unknown", "", undefined],
])("%s that begins with %j is %s", (name, text, label) => expect(languageOf(name, text)?.label).toBe(label));

it("loads the languages that it knows", async () => {
  const names =
    "a.js a.ts a.tsx a.py a.json a.md a.html a.css a.yaml a.go a.rs a.sh a.rb a.pl a.toml a.ini a.c a.cpp a.java a.cs a.kt a.swift a.lua a.r a.sql a.xml a.diff Dockerfile";
  for (const name of names.split(" ")) {
    const extensions = await languageOf(name, "")!.load();
    expect(EditorState.create({ doc: "x", extensions }).languageDataAt("commentTokens", 0), name).toBeDefined();
  }
});
