import { buildDashboard, DASHBOARD_DIR } from "@warren/cli/dashboard/build-dashboard";
import { Operator } from "@warren/cli/servers/operator";
import { Warren } from "@warren/sdk";
import type { BrowserContextOptions, Page } from "playwright-core";
import { type OpenPage, openPage, startBrowser } from "./browser.ts";
import { bundleFakeHostAgent, startStack } from "./stack.ts";
import { makeDataDirectory, startUp } from "./warren-command.ts";

/** Of all accounts that tests make. */
export const PASSWORD = "correct horse battery";

/** The pages of a server of the test's own, and a browser for them. */
export interface Dashboard {
  url: string;
  /** The link to the first account. */
  setupUrl: string;
  /** The API, for the team that the first account owns. */
  warren: Warren;
  /** Opens a page in a profile of its own. */
  open(options?: BrowserContextOptions): Promise<OpenPage>;
  /** What all pages have complained of. */
  problems(): string[];
  /** Ends server and browser, and removes all that they left. */
  close(): Promise<void>;
}

/** A server as users start it, whose capsules are microVMs. `env` is added to its environment. */
export async function startDashboard(env: NodeJS.ProcessEnv = {}): Promise<Dashboard> {
  const data = await makeDataDirectory();
  // The server begins to build the pages too and does not wait for it: until then it would serve those before.
  const [up] = await Promise.all([startUp(data.path, undefined, env), buildDashboard()]);
  const { url, api_key: apiKey, setup_url: setupUrl } = up.ready;
  const warren = new Warren({ url, apiKey });
  return withBrowser({ url, setupUrl: setupUrl ?? "", warren }, async () => {
    warren.close();
    up.child.kill("SIGTERM");
    await up.ended;
    await data.remove();
  });
}

/** A server whose capsules are those of the fake VMM: for what pages show, not for what happens in capsules. */
export async function startFakeDashboard(): Promise<Dashboard> {
  const pages = { WARREN_DASHBOARD_DIR: DASHBOARD_DIR };
  const starting = bundleFakeHostAgent().then((agent) =>
    startStack({ WARREN_WARM_POOL: "0" }, pages, undefined, agent),
  );
  const [stack] = await Promise.all([starting, buildDashboard()]);
  const { url: setupUrl } = await new Operator(stack.directory).setupLink();
  return withBrowser({ url: stack.url, setupUrl, warren: stack.warren }, () => stack.dispose());
}

async function withBrowser(
  server: Pick<Dashboard, "url" | "setupUrl" | "warren">,
  stop: () => Promise<void>,
): Promise<Dashboard> {
  const browser = await startBrowser();
  const opened: OpenPage[] = [];
  return {
    ...server,
    async open(options) {
      const page = await openPage(browser, server.url, options);
      opened.push(page);
      return page;
    },
    problems: () => opened.flatMap(({ problems }) => problems),
    async close() {
      await browser.close();
      await stop();
    },
  };
}

/** Makes the first account by the server's link; the page is that of the capsules afterwards. */
export async function makeFirstAccount(page: Page, setupUrl: string, name: string, email: string): Promise<void> {
  await page.goto(setupUrl);
  await fillAccount(page, name, email);
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.waitForURL("/dashboard/capsules/list");
}

/** Signs somebody up who has no account yet. */
export async function signUp(page: Page, name: string, email: string): Promise<void> {
  await page.goto("/login?mode=sign-up");
  await fillAccount(page, name, email);
  await page.getByRole("button", { name: "Make an account" }).click();
  await page.waitForURL("/dashboard/capsules/list");
}

/** Opens the menu of a row and chooses of it. */
export async function choose(page: Page, row: string, entry: string): Promise<void> {
  await page.getByRole("button", { name: `Actions for ${row}` }).click();
  await page.getByRole("menuitem", { name: entry }).click();
}

async function fillAccount(page: Page, name: string, email: string): Promise<void> {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
}
