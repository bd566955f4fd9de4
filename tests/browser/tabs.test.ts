import { buildDashboard } from "@warren/cli/dashboard/build-dashboard";
import { Warren } from "@warren/sdk";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";
import { openPage, startBrowser } from "../support/browser.ts";
import { makeDataDirectory, type Running, startUp, type UpReady } from "../support/warren-command.ts";

/** More than the connections that a browser opens to one server. */
const TABS = 8;

let data: Awaited<ReturnType<typeof makeDataDirectory>>;
let up: Running & { ready: UpReady };
let browser: Browser;
let context: BrowserContext;
const tabs: Page[] = [];

beforeAll(async () => {
  data = await makeDataDirectory();
  up = await startUp(data.path);
  browser = await startBrowser();
  await buildDashboard();
  const first = await openPage(browser, up.ready.url);
  context = first.context;
  await first.page.goto(up.ready.setup_url!);
  await first.page.getByLabel("Name").fill("Ada Lovelace");
  await first.page.getByLabel("E-mail").fill("ada@example.org");
  await first.page.getByLabel("Password").fill("correct horse battery");
  await first.page.getByRole("button", { name: "Make the account" }).click();
  await first.page.waitForURL("/dashboard/capsules/list");
  tabs.push(first.page);
});
afterAll(async () => {
  await browser?.close();
  up?.child.kill("SIGTERM");
  await up?.ended;
  await data?.remove();
});

test("many tabs of one browser open, and all follow what happens", async () => {
  const warren = new Warren({ url: up.ready.url, apiKey: up.ready.api_key });
  const sandbox = await warren.sandboxes.create({ name: "seen-by-all" });
  while (tabs.length < TABS) {
    const tab = await context.newPage();
    await tab.goto("/dashboard/capsules/list");
    tabs.push(tab);
  }
  for (const tab of tabs) await tab.getByTitle("Changes come as they happen").waitFor();
  // The one that was there first is gone: the others go on.
  await tabs.shift()!.close();
  for (const tab of tabs) await tab.getByRole("link", { name: "seen-by-all" }).first().waitFor();
  await sandbox.destroy();
  for (const tab of tabs) await tab.getByRole("link", { name: "seen-by-all" }).first().waitFor({ state: "detached" });
  warren.close();
});
