import { expect, it } from "vitest";
import { unlinkProblem } from "./providers.ts";

const github = { name: "github", linked: true, available: true };
const gitlab = { name: "gitlab", linked: true, available: true };

it("the last way to sign in stays", () => {
  expect(unlinkProblem(github, [github], false)).toMatch(/last way to sign in/);
  expect(unlinkProblem(github, [github], true)).toBeUndefined();
  expect(unlinkProblem(github, [github, gitlab], false)).toBeUndefined();
});

it("a provider that is not linked, or no longer offered, is no other way", () => {
  expect(unlinkProblem(github, [github, { ...gitlab, linked: false }], false)).toBeDefined();
  expect(unlinkProblem(github, [github, { ...gitlab, available: false }], false)).toBeDefined();
});
