import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectNoBarriers } from "../support/accessibility.ts";
import { type Dashboard, makeFirstAccount, startFakeDashboard } from "../support/dashboard.ts";
import { OPEN_PAGES, PAGES } from "./pages.ts";

/** Pages once each, whatever they ask for. */
const DISTINCT = [...new Map(PAGES.map((page) => [page.path, page])).values()];

let dashboard: Dashboard;
let page: Page;

beforeAll(async () => {
  dashboard = await startFakeDashboard();
  ({ page } = await dashboard.open());
  await makeFirstAccount(page, dashboard.setupUrl, "Ada Lovelace", "ada@example.org");
  const { sandboxes, templates } = dashboard.warren;
  await sandboxes.create({ memoryMb: 128, name: "named", metadata: { purpose: "test" } });
  const paused = await sandboxes.create({ memoryMb: 128 });
  await paused.pause();
  await templates.create(paused, { name: "made-of-it" });
});
afterAll(() => dashboard?.close());

test.each(DISTINCT)("$path has no barriers", async ({ path, shows }) => {
  await page.goto(path);
  await shows(page).first().waitFor();
  await expectNoBarriers(page);
});

test.each(OPEN_PAGES)("$path has no barriers", async ({ path, shows }) => {
  const visitor = await dashboard.open();
  await visitor.page.goto(path);
  await shows(visitor.page).first().waitFor();
  await expectNoBarriers(visitor.page);
  await visitor.context.close();
});

test("several capsules are selected and compared, and the comparison has no barriers", async () => {
  await page.goto("/dashboard/capsules/list");
  const boxes = page.getByRole("checkbox", { name: /^Select sb/ });
  await boxes.first().waitFor();
  for (const box of await boxes.all()) await box.check();
  await page.getByRole("toolbar", { name: "Selected capsules" }).getByRole("link", { name: "Compare" }).click();
  const table = page.getByRole("table", { name: "Use over the last 5 minutes" });
  expect(await table.getByRole("row", { name: /named/ }).textContent()).toContain("running");
  await page.getByRole("img", { name: /^Processor time of .*named/ }).waitFor();
  await page.getByRole("img", { name: /^Memory in use in .*named/ }).waitFor();
  expect(new URL(page.url()).searchParams.get("ids")?.split(",")).toHaveLength(
    (await table.getByRole("row").count()) - 1,
  );
  await expectNoBarriers(page);
  await table.getByRole("button", { name: "Leave named out" }).click();
  await table.getByRole("row", { name: /named/ }).waitFor({ state: "hidden" });
});

const DIALOGS: [string, string, (page: Page) => Promise<void>][] = [
  ["Create a capsule", "/dashboard/capsules/list", ({ keyboard }) => keyboard.press("c")],
  ["Command palette", "/dashboard/keys", ({ keyboard }) => keyboard.press("Control+k")],
  ["Keys", "/dashboard/keys", ({ keyboard }) => keyboard.press("?")],
  ["Create a key", "/dashboard/keys", (there) => there.getByRole("button", { name: "Create key" }).first().click()],
  ["Add a member", "/dashboard/team", (there) => there.getByRole("button", { name: "Add member" }).click()],
];
test.each(DIALOGS)("the dialog %s has no barriers", async (name, path, open) => {
  await page.goto(path);
  await page.getByRole("button", { name: "Ada Lovelace" }).waitFor();
  await open(page);
  await page.getByRole("dialog", { name }).waitFor();
  await expectNoBarriers(page);
});

test("the page of an error has no barriers", async () => {
  await page.goto("/dashboard/nowhere");
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  await expectNoBarriers(page);
});

test("no page complained of its policy", () => {
  expect(dashboard.problems()).toEqual([]);
});
