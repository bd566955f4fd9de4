import { afterAll, beforeAll, expect, test } from "vitest";
import type { OpenPage } from "../support/browser.ts";
import { type Dashboard, makeFirstAccount, PASSWORD, signUp, startDashboard } from "../support/dashboard.ts";

let dashboard: Dashboard;
let first: OpenPage;

beforeAll(async () => {
  dashboard = await startDashboard();
  first = await dashboard.open();
});
afterAll(() => dashboard?.close());

test("the link that the server prints makes the first account, which administers it", async () => {
  const { page } = first;
  await page.goto("/login");
  await page.getByText("Nobody has an account here yet").waitFor();
  await page.getByRole("link", { name: "Reset a lost password" }).click();
  await page.getByText("This server sends no mail").waitFor();
  await page.goto(dashboard.setupUrl);
  await page.getByRole("heading", { name: "Make the first account" }).waitFor();
  expect(page.url()).not.toContain("token");
  await makeFirstAccount(page, dashboard.setupUrl, "Ada Lovelace", "ada@example.org");
  await page.getByRole("button", { name: "Ada Lovelace" }).waitFor();
  await page.getByRole("link", { name: "Admin" }).waitFor();
});

test("a password that is wrong is said where it was typed, and a log-in leads back to the page that was asked for", async () => {
  const { page } = first;
  await page.getByRole("button", { name: "Ada Lovelace" }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await page.waitForURL("/login");
  await page.goto("/dashboard/keys");
  await page.waitForURL("/login?to=%2Fdashboard%2Fkeys");
  await page.getByLabel("E-mail").fill("ada@example.org");
  await page.getByLabel("Password").fill("wrong battery");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL("/dashboard/keys");
});

test("a log-out in one tab ends the pages of the other, and what it showed is gone", async () => {
  const { context, page } = first;
  const other = await context.newPage();
  await other.goto("/dashboard/capsules/list");
  await other.getByRole("button", { name: "Ada Lovelace" }).click();
  await other.getByRole("menuitem", { name: "Log out" }).click();
  await page.waitForURL(/\/login/);
  expect(await page.getByText("Ada Lovelace").count()).toBe(0);
  await other.close();
});

test("keys go to pages and to the palette, and not while something is typed", async () => {
  const { page } = first;
  await signUp(page, "Grace Hopper", "grace@example.org");
  await page.getByRole("heading", { name: "Capsules" }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await page.waitForURL("/dashboard/team");
  await page.keyboard.press("Control+k");
  await page.getByPlaceholder("Go to, do, or the id of a capsule").fill("keys g c");
  await page.getByPlaceholder("Go to, do, or the id of a capsule").fill("go to keys");
  await page.keyboard.press("Enter");
  await page.waitForURL("/dashboard/keys");
});

test("the page to try the API by hand works by itself", async () => {
  const { page, problems } = first;
  await page.goto("/test");
  await page.getByText("Grace Hopper, team").waitFor();
  await page.getByRole("button", { name: "Make a key" }).click();
  await page
    .getByText(/warren_[0-9a-f]{40}/)
    .first()
    .waitFor();
  expect(problems).toEqual([]);
});
