import { expect, it } from "vitest";
import { returnPath } from "./return-path.ts";

const HOME = "/dashboard/capsules/list";

it.each([
  ["/dashboard/keys", "/dashboard/keys"],
  ["/dashboard/capsules/sb1?tab=files&path=/tmp", "/dashboard/capsules/sb1?tab=files&path=/tmp"],
  ["/dashboard", "/dashboard"],
  [null, HOME],
  ["", HOME],
  ["/login", HOME],
  ["https://evil.test/dashboard/keys", HOME],
  ["//evil.test/dashboard/keys", HOME],
  ["\\\\evil.test/dashboard/keys", HOME],
  ["javascript:alert(1)//dashboard/", HOME],
  ["/dashboard/..//evil.test", HOME],
  ["/dashboard/../v1/me/email/confirm?token=x", HOME],
  ["/dashboard/%2e%2e/v1/me", HOME],
  ["/dashboardx", HOME],
])("after a log-in for %s leads to %s", (to, path) => {
  expect(returnPath(to)).toBe(path);
});
