import { expect, it } from "vitest";
import { oneOf, unknownValues, withQuery } from "./query.ts";

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

it("values that are not known are told with their names, each of several", () => {
  const query = new URLSearchParams("state=paused,asleep&state=gone&type=&other=1&month=2026-13");
  const known = { state: ["paused"], type: ["base"], month: (value: string) => value === "2026-12" };
  expect(unknownValues(query, known)).toEqual(["state=asleep", "state=gone", "month=2026-13"]);
});
