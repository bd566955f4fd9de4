import { buildDashboard } from "@warren/cli/dashboard/build-dashboard";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OpenPage, openPage, startBrowser } from "../support/browser.ts";
import { makeDataDirectory, type Running, startUp, type UpReady } from "../support/warren-command.ts";

const PASSWORD = "correct horse battery";

let data: Awaited<ReturnType<typeof makeDataDirectory>>;
let up: Running & { ready: UpReady };
let browser: Browser;
let first: OpenPage;

beforeAll(async () => {
  data = await makeDataDirectory();
  up = await startUp(data.path);
  browser = await startBrowser();
  first = await openPage(browser, up.ready.url);
  // The server has begun that too and does not wait for it: until then it serves the build before.
  await buildDashboard();
});
afterAll(async () => {
  await browser?.close();
  up?.child.kill("SIGTERM");
  await up?.ended;
  await data?.remove();
});

test("the link that the server prints makes the first account, which administers it", async () => {
  const { page } = first;
  await page.goto("/login");
  await page.getByText("Nobody has an account here yet").waitFor();
  await page.getByRole("link", { name: "Reset a lost password" }).click();
  await page.getByText("This server sends no mail").waitFor();
  await page.goto(up.ready.setup_url!);
  await page.getByRole("heading", { name: "Make the first account" }).waitFor();
  expect(page.url()).not.toContain("token");
  await page.getByLabel("Name").fill("Ada Lovelace");
  await page.getByLabel("E-mail").fill("ada@example.org");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.waitForURL("/dashboard/capsules/list");
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
  await page.goto("/login?mode=sign-up");
  await page.getByLabel("Name").fill("Grace Hopper");
  await page.getByLabel("E-mail").fill("grace@example.org");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Make an account" }).click();
  await page.waitForURL("/dashboard/capsules/list");
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
