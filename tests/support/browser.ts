import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Debian's Chromium, on its own with the network. */
const CHROMIUM = fileURLToPath(new URL("chromium", import.meta.url));
/** Milliseconds that a page has for what is awaited of it, on a machine that has much to do. */
const PATIENCE_MS = 60_000;

/** Has a page tell of what its policy forbids, also where nothing is printed. */
const REPORT_VIOLATIONS = `document.addEventListener("securitypolicyviolation", (event) =>
  reportViolation(event.violatedDirective + " forbids " + event.blockedURI + " at " + event.sourceFile + ":" + event.lineNumber));`;

/** A page in a browser profile of its own, and what it complained of. */
export interface OpenPage {
  context: BrowserContext;
  page: Page;
  /** Violations of the policy, and errors that no code caught, of all pages of the profile. */
  problems: string[];
}

/** Starts Chromium without a window. */
export function startBrowser(): Promise<Browser> {
  // The sandbox of Chromium does not run as root.
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** Opens a page in a profile of its own. */
export async function openPage(
  browser: Browser,
  baseURL: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ baseURL, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const problems: string[] = [];
  await watch(context, problems);
  return { context, page: await context.newPage(), problems };
}

/** Notes what the pages of a profile complain of. */
async function watch(context: BrowserContext, problems: string[]): Promise<void> {
  await context.exposeBinding("reportViolation", ({ page }, violation: string) => {
    problems.push(`${new URL(page.url()).pathname}: ${violation}`);
  });
  await context.addInitScript({ content: REPORT_VIOLATIONS });
  context.on("weberror", (error) => problems.push(String(error.error())));
  context.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) problems.push(message.text());
  });
}
