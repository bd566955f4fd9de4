import { expect, it } from "vitest";
import { oneOf, withQuery } from "./query.ts";

const here = new URL("http://127.0.0.1/list?state=paused&other=1");

it("values that are empty are left out of the address, others of it stay", () => {
  expect(withQuery(here, { state: "", q: "a&b" }).search).toBe("?other=1&q=a%26b");
  expect(withQuery(here, { state: undefined }).search).toBe("?other=1");
});

it("a value that is not known is the default", () => {
  expect(oneOf("b", ["a", "b"], "a")).toBe("b");
  expect(oneOf("toString", ["a", "b"], "a")).toBe("a");
  expect(oneOf(null, ["a", "b"], undefined)).toBeUndefined();
});
