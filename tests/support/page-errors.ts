import type { Page, Route } from "playwright-core";
import { expect } from "vitest";
import type { PageOfDashboard } from "../browser/pages.ts";

/** What can become of a request, and what a page says of it. */
const FAILURES: readonly { answer: (route: Route) => Promise<void>; says: string[] }[] = [
  {
    answer: (route) =>
      route.fulfill({
        status: 500,
        headers: { "x-request-id": "request-of-the-test" },
        json: { error: { code: "internal_error", message: "the database is out of order" } },
      }),
    says: ["The database is out of order.", "request-of-the-test"],
  },
  {
    answer: (route) => route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad gateway</h1>" }),
    says: ["The server answered 502 without saying why."],
  },
  {
    answer: (route) =>
      route.fulfill({ status: 403, json: { error: { code: "forbidden", message: "you may not see this" } } }),
    says: ["You may not see this."],
  },
  { answer: (route) => route.abort("connectionrefused"), says: ["The server does not answer."] },
];

/** Opens a page while what it asks for fails in each way, and tries again until it does not. */
export async function expectErrorStates(page: Page, { path, asks, shows }: PageOfDashboard): Promise<void> {
  let failure: (typeof FAILURES)[number] | undefined = FAILURES[0];
  await page.route(asks, (route) => (failure ? failure.answer(route) : route.fallback()));
  await page.goto(path);
  const retry = page.getByRole("button", { name: "Try again" });
  for (const next of [...FAILURES.slice(1), undefined]) {
    for (const text of failure?.says ?? []) await says(page, text);
    // A page that asks by itself meanwhile has what comes next before: the button is gone with the error then.
    const button = await retry.elementHandle();
    await button?.hover();
    failure = next;
    await button?.dispatchEvent("click");
  }
  await shows(page).first().waitFor();
  expect(await retry.count()).toBe(0);
  await page.unroute(asks);
}

/** Waits until a page says something; what it says instead is told when it does not. */
async function says(page: Page, text: string): Promise<void> {
  try {
    await page.getByText(text).first().waitFor();
  } catch (error) {
    throw new Error(`${page.url()} says: ${await page.locator("body").textContent()}`, { cause: error });
  }
}
