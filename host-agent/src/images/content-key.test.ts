import { expect, test } from "vitest";
import { contentKey, hashFiles } from "./content-key.ts";

test("a key follows names and values, not their order", () => {
  const key = contentKey({ kernel: "6.1", agent: "abc" });
  expect(key).toMatch(/^[0-9a-f]{16}$/);
  expect(contentKey({ agent: "abc", kernel: "6.1" })).toBe(key);
  expect(contentKey({ agent: "abc", kernel: "6.2" })).not.toBe(key);
  expect(contentKey({ agent: "6.1", kernel: "abc" })).not.toBe(key);
  expect(contentKey({ kernel: "6.1" }, { agent: "abc" })).not.toBe(key);
});

test("a hash of files follows names and contents, not their order", () => {
  const file = (name: string, text: string): [string, Uint8Array] => [name, Buffer.from(text)];
  const hash = hashFiles(new Map([file("a", "1"), file("b", "2")]));
  expect(hashFiles(new Map([file("b", "2"), file("a", "1")]))).toBe(hash);
  expect(hashFiles(new Map([file("a", "1"), file("b", "3")]))).not.toBe(hash);
  expect(hashFiles(new Map([file("a", "12"), file("b", "")]))).not.toBe(hash);
  expect(hashFiles(new Map([file("ab", "12")]))).not.toBe(hash);
});
