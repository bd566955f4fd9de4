import type { Sandbox } from "@warren/sdk";
import type { Page, Route } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Dashboard, makeFirstAccount, PASSWORD, startFakeDashboard } from "../support/dashboard.ts";
import { FakeShells } from "../support/fake-shells.ts";

/** What befalls the page of a capsule while somebody is in the middle of something on it. */

const READ = /\/files\/stream\/read$/;

let dashboard: Dashboard;
let page: Page;
let first: Sandbox;
let second: Sandbox;

beforeAll(async () => {
  dashboard = await startFakeDashboard();
  ({ page } = await dashboard.open());
  await makeFirstAccount(page, dashboard.setupUrl, "Ada Lovelace", "ada@example.org");
  first = await dashboard.warren.sandboxes.create({ memoryMb: 128, name: "the-first" });
  second = await dashboard.warren.sandboxes.create({ memoryMb: 128, name: "the-second" });
  await new FakeShells().serve(page);
  await page.route(READ, readFile);
});
afterAll(() => dashboard?.close());
beforeEach(() => page.goto(`/dashboard/capsules/${first.id}?tab=metrics`));

/** Files whose names end so are there. */
function readFile(route: Route): Promise<void> {
  const { path } = route.request().postDataJSON() as { path: string };
  if (path.endsWith(".txt")) return route.fulfill({ body: "one\n", contentType: "application/octet-stream" });
  return route.fulfill({ status: 403, json: { error: { code: "forbidden", message: "it may not be read" } } });
}

/** Has the answers of an address wait until they are let through. */
async function hold(address: RegExp): Promise<() => Promise<void>> {
  const { promise, resolve } = Promise.withResolvers<void>();
  await page.route(address, async (route) => {
    const response = await route.fetch();
    await promise;
    await route.fulfill({ response });
  });
  return async () => {
    resolve();
    await page.unroute(address);
  };
}

const goTo = async ({ id }: Sandbox) => {
  await page.keyboard.press("Control+k");
  await page.getByPlaceholder("id of a capsule").fill(id);
  await page.getByRole("option", { name: "Open the capsule" }).click();
  await page.waitForURL((url) => url.pathname.endsWith(id));
};
const heading = (name: string) => page.getByRole("heading", { name, exact: true });
const head = (name: string) => page.getByRole("main").getByRole("button", { name, exact: true }).first();

/** Opens a file in the editor, and types into it. */
async function edit(): Promise<void> {
  await page.goto(`/dashboard/capsules/${first.id}?tab=files&path=/home&edit=/home/notes.txt`);
  const text = page.getByRole("textbox", { name: "Content of notes.txt" });
  await text.press("Control+End");
  await text.pressSequentially("typed");
  await page.getByRole("status").getByText("Not saved").waitFor();
}
const question = () => page.getByRole("dialog", { name: "Leave notes.txt unsaved?" });

test("Resume does so though the answer to Pause is not there yet, which changes nothing then", async () => {
  await heading("the-first").waitFor();
  const release = await hold(/\/pause$/);
  await head("Pause").click();
  await head("Resume").click();
  await head("Pause").waitFor();
  await release();
  await head("Pause").waitFor();
});

test("an answer and a name that are one capsule's do not come to the next", async () => {
  await heading("the-first").waitFor();
  const release = await hold(/\/pause$/);
  await page.getByRole("button", { name: "Change the name" }).click();
  await head("Pause").click();
  await page.getByRole("textbox", { name: "Name", exact: true }).waitFor();
  await goTo(second);
  await heading("the-second").waitFor();
  expect(await page.getByRole("textbox", { name: "Name", exact: true }).count()).toBe(0);
  const answered = page.waitForResponse(/\/pause$/);
  await release();
  await answered;
  await first.resume();
  await heading("the-second").waitFor();
});

test("the form of the name closes by Escape, and the keys are where it was opened", async () => {
  const pencil = page.getByRole("button", { name: "Change the name" });
  await pencil.click();
  await page.getByRole("textbox", { name: "Name", exact: true }).press("Escape");
  await pencil.and(page.locator(":focus")).waitFor();
});

test("the keys are those of the button that does the opposite, once the capsule is paused or runs", async () => {
  await heading("the-first").waitFor();
  await head("Pause").press("Enter");
  await head("Resume").and(page.locator(":focus")).waitFor();
  await head("Resume").press("Enter");
  await head("Pause").and(page.locator(":focus")).waitFor();
});

test("the part of the page that is shown stays when the capsule is paused", async () => {
  await page.goto(`/dashboard/capsules/${first.id}`);
  await page.getByRole("textbox", { name: "Terminal input" }).waitFor();
  await head("Pause").click();
  await page.getByText("The capsule is paused").waitFor();
  await page.locator(".xterm-screen:visible").waitFor();
  await head("Resume").click();
  await page.locator("textarea:focus").waitFor();
});

test("a file that cannot be read has no changes, whatever was left unsaved before", async () => {
  await edit();
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await question().getByRole("button", { name: "Leave" }).click();
  await page.waitForURL((url) => !url.searchParams.has("edit"));
  const secret = `/dashboard/capsules/${first.id}?tab=files&path=/home&edit=/home/secret`;
  await page.evaluate(`{
    const link = Object.assign(document.createElement("a"), { href: ${JSON.stringify(secret)} });
    document.querySelector("main").append(link);
    link.click();
    link.remove();
  }`);
  await page.getByText("it may not be read").waitFor();
  expect(await page.getByText("Not saved").count()).toBe(0);
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await page.waitForURL((url) => !url.searchParams.has("edit"));
});

test("who agreed to lose what they typed, and could not leave, is asked again", async () => {
  await edit();
  await page.route(/\/auth\/logout$/, (route) => route.abort("connectionrefused"));
  await page.getByRole("button", { name: "Ada Lovelace" }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await question().getByRole("button", { name: "Leave" }).click();
  await page.getByRole("alert").filter({ hasText: "does not answer" }).waitFor();
  await page.unroute(/\/auth\/logout$/);
  await page.getByRole("link", { name: "Keys" }).first().click();
  await question().getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("status").getByText("Not saved").waitFor();
});

test("the end of the session asks before what was typed goes, and one can go on after a log-in in another tab", async () => {
  await edit();
  await page.context().clearCookies();
  await page.unroute(READ);
  await page.getByRole("button", { name: "Save" }).click();
  await question().getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("status").getByText("Not saved").waitFor();
  await page.route(READ, readFile);
  await page
    .context()
    .request.post("/v1/auth/login", { data: { email: "ada@example.org", password: PASSWORD, cookie: true } });
  await page.route(/\/files\/stream\/write$/, (route) => route.fulfill({ json: {} }));
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("status").getByText("Saved", { exact: true }).waitFor();
});

test("no page complained of its policy", () => {
  expect(dashboard.problems()).toEqual([]);
});
