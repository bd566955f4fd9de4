import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

/** Debian's Chromium. */
const CHROMIUM = "/usr/bin/chromium";

/** A page in a browser profile of its own, and what it complained of. */
export interface OpenPage {
  context: BrowserContext;
  page: Page;
  /** Violations of the policy of the page, and errors that no code caught. */
  problems: string[];
}

/** Starts Chromium without a window. */
export function startBrowser(): Promise<Browser> {
  // The sandbox of Chromium does not run as root.
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** Opens a page in a profile of its own. */
export async function openPage(browser: Browser, baseURL: string): Promise<OpenPage> {
  const context = await browser.newContext({ baseURL });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) problems.push(message.text());
  });
  return { context, page, problems };
}
