import type { Sandbox } from "@warren/sdk";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectNoBarriers } from "../support/accessibility.ts";
import { type Dashboard, makeFirstAccount, startFakeDashboard } from "../support/dashboard.ts";
import { FakeShells } from "../support/fake-shells.ts";

/** Terminals of the page of a capsule: what becomes of them when connections break, pages are left, and capsules stand still. */

let dashboard: Dashboard;
let page: Page;
let sandbox: Sandbox;
const shells = new FakeShells();

beforeAll(async () => {
  dashboard = await startFakeDashboard();
  ({ page } = await dashboard.open());
  await makeFirstAccount(page, dashboard.setupUrl, "Ada Lovelace", "ada@example.org");
  sandbox = await dashboard.warren.sandboxes.create({ memoryMb: 128, name: "workshop" });
  await shells.serve(page);
});
afterAll(() => dashboard?.close());

const open = (on = page) => on.goto(`/dashboard/capsules/${sandbox.id}?tab=terminal`);
const input = (on = page) => on.getByRole("textbox", { name: "Terminal input" });
const tabs = (on = page) => on.getByRole("group", { name: "Shells" }).getByRole("button", { name: /^Shell/ });
/** What stands on the screen of the terminal in view. */
const screen = async (on = page) => {
  const rows = await on.locator(".xterm-rows:visible > div").allTextContents();
  return rows.map((row) => row.trimEnd()).join("\n");
};
const shows = (text: string, on = page) => expect.poll(() => screen(on)).toContain(text);

test("what is typed before the shell is there reaches it", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  shells.ready = promise;
  await open();
  await input().pressSequentially("typed early\n");
  resolve();
  await shows("typed early");
  expect(shells.all.map(({ input: typed }) => typed)).toEqual(["typed early\r"]);
});

test("a reload finds the shells with their screens, says what is not kept, and answers no question of long ago", async () => {
  const [first] = shells.all;
  await page.getByRole("button", { name: "New shell" }).click();
  await input().pressSequentially("in the second\n");
  await shows("in the second");
  await page.goto("/dashboard/capsules/list");
  await expect.poll(() => first!.readers.size).toBe(0);
  shells.print(first!, `\x1b[c\x1b[6n${"x".repeat(3000)}\r\nthe last line\r\n$ `);
  first!.forgotten = 2048;
  await open();
  await shows("the last line");
  expect(await tabs().allInnerTexts()).toEqual(["Shell 1", "Shell 2"]);
  expect(await screen()).toMatch(/^2 KiB of output before this are no longer kept\.\s+the last line/);
  await tabs().last().click();
  await shows("in the second");
  await page.reload();
  await shows("in the second");
  first!.forgotten = 0;
  await tabs().first().click();
  await shows("typed early");
  await input().pressSequentially("on");
  await expect.poll(() => first!.input).toBe("typed early\ron");
});

test("a connection that breaks is made again, and nothing is lost or doubled", async () => {
  const [first] = shells.all;
  await shells.breakAll();
  await page.getByRole("status").getByText("Reconnecting…").waitFor();
  await input().pressSequentially("and on");
  shells.print(first!, "\r\nmeanwhile\r\n");
  shells.away = false;
  await shows("meanwhile\nand on");
  await page.getByRole("status").getByText("Reconnecting…").waitFor({ state: "hidden" });
  expect(first!.input).toBe("typed early\ronand on");
  expect((await screen()).match(/meanwhile/g)).toHaveLength(1);
});

test("two tabs of a browser share a shell, which has the size of the one that is used", async () => {
  const [first] = shells.all;
  const other = await page.context().newPage();
  await shells.serve(other);
  await other.setViewportSize({ width: 900, height: 700 });
  await open(other);
  await shows("meanwhile", other);
  await input(other).pressSequentially("from the other");
  await shows("from the other");
  const narrow = first!.sizes.at(-1)!;
  await page.bringToFront();
  await page.getByRole("heading", { name: "workshop" }).click();
  await input().focus();
  await expect.poll(() => first!.sizes.at(-1)!.cols).toBeGreaterThan(narrow.cols);
  await other.close();
  expect(shells.all).toHaveLength(2);
});

test("a shell stands still with its capsule, and goes on with it; the keys are its own again", async () => {
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByText("The capsule is paused").waitFor();
  await expectNoBarriers(page);
  await shows("from the other");
  await page.getByRole("main").getByRole("button", { name: "Resume" }).last().click();
  await page.getByText("The capsule is paused").waitFor({ state: "hidden" });
  await page.locator("textarea:focus").waitFor();
  await page.keyboard.type("awake");
  await shows("from the otherawake");
});

test("the keys are the terminal's when one comes back to it", async () => {
  const parts = page.getByRole("navigation", { name: "What is shown of the capsule" });
  await parts.getByRole("link", { name: "Metrics" }).click();
  await input().waitFor({ state: "hidden" });
  await parts.getByRole("link", { name: "Terminal" }).click();
  await page.locator("textarea:focus").waitFor();
  await page.keyboard.type(" and back");
  await shows("awake and back");
});

test("keys lead out of a terminal, and are where one goes on after a tab is closed", async () => {
  await page.keyboard.press("Control+Shift+ArrowUp");
  await tabs().first().and(page.locator(":focus")).waitFor();
  await page.getByRole("button", { name: "New shell" }).click();
  await page.locator("textarea:focus").waitFor();
  await shows("$");
  await tabs().first().click();
  await page.getByRole("button", { name: "End shell 3" }).press("Enter");
  await expect.poll(() => shells.all.map(({ tag }) => tag)).toEqual(["terminal-1", "terminal-2"]);
  await tabs().first().and(page.locator(":focus")).waitFor();
});

test("a shell that was opened elsewhere is found when one comes to the window", async () => {
  shells.open("terminal-3");
  await page.evaluate("dispatchEvent(new Event('focus'))");
  await tabs().nth(2).waitFor();
  shells.end(shells.all.at(-1)!.pid, { exit_code: 0 });
  await page.getByRole("button", { name: "End shell 3" }).click();
});

test("a tab that is closed ends its shell, a page that is left does not", async () => {
  await page.getByRole("button", { name: "End shell 2" }).click();
  await expect.poll(() => shells.all.map(({ tag }) => tag)).toEqual(["terminal-1"]);
  await page.goto("/dashboard/capsules/list");
  await open();
  await shows("awake and back");
  shells.end(shells.all[0]!.pid, { exit_code: 3 });
  await page.getByRole("status").getByText("The shell has ended with status 3.").waitFor();
  await expectNoBarriers(page);
  const { promise, resolve } = Promise.withResolvers<void>();
  shells.ready = promise;
  await page.getByRole("button", { name: "New shell" }).last().click();
  await page.locator("textarea:focus").waitFor();
  await page.keyboard.type("once more");
  resolve();
  await shows("once more");
  // The output of the one that ended is none of the new one's: what its programs ask is answered.
  shells.print(shells.all[0]!, "\x1b[c");
  await expect.poll(() => shells.all[0]!.input).toContain("\x1b[?");
});

test("a tab that is closed before its shell has answered leaves no shell behind", async () => {
  const before = shells.all.map(({ tag }) => tag);
  const { promise, resolve } = Promise.withResolvers<void>();
  shells.ready = promise;
  const { asked } = shells;
  await page.getByRole("button", { name: "New shell" }).last().click();
  await expect.poll(() => shells.asked).toBe(asked + 1);
  await page.getByRole("button", { name: "End shell 2" }).click();
  await tabs().nth(1).waitFor({ state: "detached" });
  resolve();
  await expect.poll(() => shells.all.map(({ tag }) => tag)).toEqual(before);
  await page.evaluate("dispatchEvent(new Event('focus'))");
  expect(await tabs().allInnerTexts()).toEqual(["Shell 1"]);
});

test("a tab that is closed while its connection breaks, so that nobody knows whether its shell runs, leaves none behind", async () => {
  const before = shells.all.map(({ tag }) => tag);
  shells.away = true;
  await page.getByRole("button", { name: "New shell" }).last().click();
  await page.getByRole("status").getByText("Connecting…").waitFor();
  shells.open("terminal-2");
  await page.getByRole("button", { name: "End shell 2" }).click();
  await expect.poll(() => shells.all.map(({ tag }) => tag)).toEqual(before);
  shells.away = false;
});

test("a shell of the address that is not open is told, until somebody has read that", async () => {
  await page.goto(`/dashboard/capsules/${sandbox.id}?tab=terminal&shell=77`);
  const told = page.getByText("The address asks for shell=77, which is not open");
  await told.waitFor();
  await expectNoBarriers(page);
  await page.getByRole("button", { name: "Dismiss" }).click();
  await told.waitFor({ state: "detached" });
  await page.goto(`/dashboard/capsules/${sandbox.id}?tab=terminal&shell=<b>`);
  await page.getByText("The address asks for shell=<b>, which is not open").waitFor();
});

test("no page complained of its policy", () => {
  expect(dashboard.problems()).toEqual([]);
});
