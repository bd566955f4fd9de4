import { TEMPLATE_NAME } from "@warren/contracts/identifiers";
import fc from "fast-check";
import { expect, it } from "vitest";
import { hostnameOf } from "./guest-hostname.ts";

it.each([
  ["workshop", "workshop"],
  ["Build_42.main", "build-42-main"],
  ["a..", "a"],
  [`${"a".repeat(62)}-b`, "a".repeat(62)],
])("is a label that says %s", (name, hostname) => {
  expect(hostnameOf(name)).toEqual({ hostname });
});

it("is the id's where there is no name, or one that means every machine", () => {
  expect(hostnameOf(null)).toEqual({});
  expect(hostnameOf("LocalHost")).toEqual({});
});

it("is a label of RFC 1123 for every name", () => {
  fc.assert(
    fc.property(fc.stringMatching(TEMPLATE_NAME), (name) => {
      const { hostname = "a" } = hostnameOf(name);
      expect(hostname).toMatch(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
    }),
    { seed: 10 },
  );
});
