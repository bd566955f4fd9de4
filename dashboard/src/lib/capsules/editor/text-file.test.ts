import { EditorState } from "@codemirror/state";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ApiError } from "#lib/api/api-error.ts";
import { type FileAccess, saveUnlessChanged, type TextFile, toBytes, toText } from "./text-file.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** What an editor that nobody typed into would write. */
function throughEditor({ text, lineSeparator }: TextFile): Uint8Array {
  const state = EditorState.create({ doc: text, extensions: EditorState.lineSeparator.of(lineSeparator) });
  return toBytes(state.sliceDoc());
}

it.each([
  ["a\nb\n", "\n"],
  ["a\r\nb\r\n", "\r\n"],
  ["a\r\nb\n", "\n"],
  ["a\rb", "\n"],
  ["one line", "\n"],
  ["\ufeffwith a mark\r\n", "\r\n"],
  ["", "\n"],
])("takes %j for text with lines that end with %j", (text, lineSeparator) => {
  expect(toText(utf8(text))).toMatchObject({ kind: "text", text, lineSeparator });
});

it.each([
  ["a NUL", utf8("a\0b")],
  ["bytes that are no UTF-8", new Uint8Array([0x61, 0xff, 0x62])],
  ["half of a character", utf8("ü").slice(0, 1)],
])("takes %s for no text", (_name, bytes) => expect(toText(bytes)).toEqual({ kind: "binary", size: bytes.length }));

it("gives back the same bytes of any text, whatever ends its lines", () => {
  const piece = fc.oneof(
    fc.constantFrom("\n", "\r\n", "\r", "\ufeff", "\u2028"),
    fc.string({ unit: "grapheme", maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const bytes = utf8(pieces.join(""));
      const read = toText(bytes);
      if (read.kind !== "text") expect(bytes.includes(0)).toBe(true);
      else expect(throughEditor(read)).toEqual(bytes);
    }),
    { seed: 20_261_128, numRuns: 500 },
  );
});

describe("saving", () => {
  /** A file of a capsule; undefined: it is not there. */
  function fileWith(content: Uint8Array<ArrayBuffer> | undefined) {
    const state = { content };
    const access: FileAccess = {
      read: async () => {
        if (!state.content) throw new ApiError("file_not_found", "It is not there.");
        return toText(state.content);
      },
      write: async (bytes) => {
        state.content = bytes;
      },
    };
    return { state, access };
  }

  it("writes a file that is as it was", async () => {
    const { state, access } = fileWith(utf8("old"));
    expect(await saveUnlessChanged(access, utf8("old"), utf8("new"))).toBeUndefined();
    expect(state.content).toEqual(utf8("new"));
  });

  it.each([
    ["changed", utf8("other")],
    ["changed", utf8("ole")],
    ["changed", new Uint8Array([0])],
    ["removed", undefined],
  ])("writes nothing over one that was %s", async (change, content) => {
    const { state, access } = fileWith(content);
    expect(await saveUnlessChanged(access, utf8("old"), utf8("new"))).toBe(change);
    expect(state.content).toBe(content);
  });

  it("writes nothing when the file cannot be looked at", async () => {
    const paused = new ApiError("invalid_state", "The sandbox is paused.");
    const { state, access } = fileWith(utf8("old"));
    const failing = { ...access, read: () => Promise.reject(paused) };
    await expect(saveUnlessChanged(failing, utf8("old"), utf8("new"))).rejects.toBe(paused);
    expect(state.content).toEqual(utf8("old"));
  });
});
