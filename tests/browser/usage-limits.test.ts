import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { choose, type Dashboard, makeFirstAccount, startFakeDashboard } from "../support/dashboard.ts";

/** What people see of what their team may use in a month. Each step builds on those before. */

let dashboard: Dashboard;
let page: Page;

beforeAll(async () => {
  dashboard = await startFakeDashboard();
  ({ page } = await dashboard.open());
  await makeFirstAccount(page, dashboard.setupUrl, "Ada Lovelace", "ada@example.org");
  await dashboard.warren.sandboxes.create({ memoryMb: 128, name: "busy" });
});
afterAll(() => dashboard?.close());

const notice = () => page.getByRole("status").filter({ hasText: "The team has used" });
const capsuleIs = (status: string) => page.getByRole("row", { name: "busy" }).getByText(status).first().waitFor();

/** Types a warning and a limit of the processor time of Ada's team in the dialog of the administration. */
async function limitCpu(warning: string, limit: string) {
  await page.goto("/dashboard/admin?tab=teams");
  await choose(page, "Default", "Set its limits of a month");
  const dialog = page.getByRole("dialog", { name: "Limits of Default in a month" });
  const cpu = dialog.getByRole("group", { name: "CPU time, minutes" });
  await cpu.getByLabel("Warning").fill(warning);
  await cpu.getByLabel("Limit").fill(limit);
  return { dialog, set: dialog.getByRole("button", { name: "Set limits" }) };
}

test("an administrator sets a limit, and no warning above it", async () => {
  await page.goto("/dashboard/capsules/list");
  await capsuleIs("running");
  const { dialog, set } = await limitCpu("5", "0");
  await dialog.getByText("Above the limit").waitFor();
  expect(await set.isDisabled()).toBe(true);
  await dialog.getByLabel("Warning").first().fill("");
  await set.click();
  await dialog.waitFor({ state: "hidden" });
});

test("at the limit capsules are paused, all pages say so, and none is resumed", async () => {
  await notice().waitFor();
  await page.getByRole("link", { name: "Capsules" }).first().click();
  await capsuleIs("paused");
  expect(await notice().textContent()).toContain("all that it may: its capsules are paused and none starts until");
  await choose(page, "busy", "Resume");
  // Its row says the same, of why it is paused.
  const refusal = page.getByRole("alert").filter({ hasText: /can run again from \d{4}-\d\d-01 in UTC on/ });
  await refusal.waitFor();
  await notice().getByRole("link", { name: "Usage" }).click();
  await page.getByRole("progressbar", { name: "CPU used in this month" }).waitFor();
  await page.getByText("Limit reached").waitFor();
  await page.getByText("its capsules are paused and none starts until").waitFor();
});

test("the page of the use goes on by itself", async () => {
  const asked = () => page.waitForResponse((response) => response.url().includes("/v1/usage") && response.ok());
  await page.goto("/dashboard/usage");
  await page.getByText("Live", { exact: true }).waitFor();
  await asked();
  await asked();
});

test("a refusal goes by itself, but not while somebody points at it", async () => {
  await page.getByRole("link", { name: "Capsules" }).first().click();
  await capsuleIs("paused");
  await page.clock.install();
  await choose(page, "busy", "Resume");
  const refusal = page.getByRole("alert").filter({ hasText: /can run again from/ });
  await refusal.hover();
  await page.clock.runFor(120_000);
  expect(await refusal.count()).toBe(1);
  await page.getByRole("heading", { name: "Capsules" }).hover();
  await page.clock.runFor(8000);
  expect(await refusal.count()).toBe(1);
  await page.clock.runFor(60_000);
  await refusal.waitFor({ state: "hidden" });
  await page.clock.resume();
});

test("without the limit the notice is gone, and capsules are resumed", async () => {
  const { dialog, set } = await limitCpu("", "");
  await set.click();
  await dialog.waitFor({ state: "hidden" });
  await notice().waitFor({ state: "hidden" });
  await page.getByRole("link", { name: "Capsules" }).first().click();
  await choose(page, "busy", "Resume");
  await capsuleIs("running");
  expect(dashboard.problems()).toEqual([]);
});
