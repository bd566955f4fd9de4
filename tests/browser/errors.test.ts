import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Dashboard, makeFirstAccount, startFakeDashboard } from "../support/dashboard.ts";
import { expectErrorStates } from "../support/page-errors.ts";
import { OPEN_PAGES, PAGES } from "./pages.ts";

let dashboard: Dashboard;
let page: Page;

beforeAll(async () => {
  dashboard = await startFakeDashboard();
  ({ page } = await dashboard.open());
  await makeFirstAccount(page, dashboard.setupUrl, "Ada Lovelace", "ada@example.org");
  await dashboard.warren.sandboxes.create({ memoryMb: 128 });
});
afterAll(() => dashboard?.close());

test.each(PAGES)("$path says what went wrong when $asks fails, and tries again when asked to", async (each) => {
  await expectErrorStates(page, each);
});

test.each(OPEN_PAGES)("$path says what went wrong, and tries again when asked to", async (each) => {
  const visitor = await dashboard.open();
  await expectErrorStates(visitor.page, each);
  await visitor.context.close();
});

test("an address without a page says so, and leads on", async () => {
  await page.goto("/dashboard/nowhere");
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  await page.getByRole("link", { name: "Go to capsules" }).click();
  await page.waitForURL("/dashboard/capsules/list");
});

test("no page complained of its policy", () => {
  expect(dashboard.problems()).toEqual([]);
});
