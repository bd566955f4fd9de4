import { expect, it } from "vitest";
import { linkErrorText, oauthErrorText } from "./oauth-errors.ts";

it("the closer reason says why a sign-in failed, when the server gives one", () => {
  expect(oauthErrorText("exchange_failed", "no_verified_email")).toContain("no verified address");
  expect(oauthErrorText("exchange_failed", "of-a-newer-server")).toBe(oauthErrorText("exchange_failed", null));
  expect(oauthErrorText("of-a-newer-server", null)).toContain("sign-in through the provider failed");
});

it("a link that failed is not called a sign-in", () => {
  for (const code of ["access_denied", "invalid_state", "already_linked", "session_ended", "internal_error", "new"]) {
    expect(linkErrorText(code, null)).not.toMatch(/sign-in/);
  }
  expect(linkErrorText("exchange_failed", "provider_unavailable")).toContain("does not answer");
});
