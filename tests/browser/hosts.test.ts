import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectNoBarriers } from "../support/accessibility.ts";
import { choose, type Dashboard, makeFirstAccount, signUp, startFakeDashboard } from "../support/dashboard.ts";

/** What people see of hosts: of all, and of those that a team brings. Each step builds on those before. */

let dashboard: Dashboard;
let page: Page;
/** The host of the machine. */
let local: string;

beforeAll(async () => {
  dashboard = await startFakeDashboard();
  ({ page } = await dashboard.open());
  await makeFirstAccount(page, dashboard.setupUrl, "Ada Lovelace", "ada@example.org");
  await dashboard.warren.sandboxes.create({ memoryMb: 128, name: "busy" });
});
afterAll(() => dashboard?.close());

const hostIs = (status: string) =>
  page.getByRole("table", { name: "Hosts" }).getByText(status, { exact: true }).waitFor();
const dialog = (name: string | RegExp) => page.getByRole("dialog", { name });

/** Looks at the page as it stands, which is as wide as at a desk afterwards. */
async function expectNoBarriersHere(): Promise<void> {
  await expectNoBarriers(page);
  await page.setViewportSize({ width: 1440, height: 900 });
}

test("an administrator sees all hosts, has one take no capsules, and brings it back", async () => {
  await page.goto("/dashboard/admin?tab=hosts");
  await hostIs("online");
  const button = page.getByRole("button", { name: /^Actions for host-/ });
  local = (await button.getAttribute("aria-label"))!.replace("Actions for ", "");
  await choose(page, local, "Drain");
  await hostIs("draining");
  await choose(page, local, "Take out of service");
  await page.getByRole("alert").filter({ hasText: "1 sandboxes that are not paused" }).waitFor();
  await choose(page, local, "Bring back");
  await hostIs("online");
});

test("the page of a host says what it is, has and holds, and takes tags", async () => {
  await choose(page, local, "Show");
  await page.getByRole("heading", { name: /^host-/ }).waitFor();
  await page.getByText("Takes capsules.").waitFor();
  await page.getByText(`unix:`, { exact: false }).waitFor();
  await page.getByRole("progressbar", { name: "Capsules that run" }).waitFor();
  await page.getByRole("list", { name: "Snapshots and base systems held" }).getByText("minimal").waitFor();
  await page.getByLabel("New tag").fill("gpu");
  await page.getByRole("button", { name: "Add tag" }).click();
  await page.getByRole("list", { name: "Tags" }).getByText("gpu").waitFor();
  await expectNoBarriersHere();
  await page.getByRole("button", { name: "Remove gpu" }).click();
  await page.getByRole("list", { name: "Tags" }).waitFor({ state: "hidden" });
});

test("a host with capsules is deleted only by who agrees to what is lost", async () => {
  await choose(page, local, "Delete");
  const asks = dialog(/^Delete host /);
  await asks.getByRole("list", { name: "Capsules on it" }).getByText(/^sb/).waitFor();
  const remove = asks.getByRole("button", { name: "Delete" });
  expect(await remove.isDisabled()).toBe(true);
  await expectNoBarriersHere();
  await asks.getByLabel("Destroy all of that").check();
  expect(await remove.isEnabled()).toBe(true);
  await asks.getByRole("button", { name: "Cancel" }).click();
});

test("a team without hosts of its own is told so; one that brings them registers the first with a token that is shown once", async () => {
  await page.goto("/dashboard/hosts");
  await page.getByText("hosts that all teams share").waitFor();
  expect(await page.getByRole("button", { name: "Register host" }).count()).toBe(0);
  await page.goto("/dashboard/admin?tab=teams");
  await choose(page, "Default", "Bring its own hosts");
  await page.getByRole("row", { name: /Default · own hosts/ }).waitFor();
  await page.goto("/dashboard/capsules/list");
  await page.getByRole("link", { name: "Hosts" }).click();
  await page.getByText("none is known yet").waitFor();
  await expectNoBarriersHere();
  await page.getByRole("button", { name: "Register host" }).first().click();
  await dialog("Register a host").getByLabel("Provider").fill("rack 2");
  await dialog("Register a host").getByRole("button", { name: "Register" }).click();
  const shown = dialog("Copy the token now");
  const command = await shown.getByRole("button", { name: /^Copy command/ }).textContent();
  expect(command).toMatch(/warren host join --control-plane http:\S+ --token [0-9a-f]{64}/);
  await expectNoBarriersHere();
  await shown.getByRole("button", { name: "Done" }).click();
  const row = page.getByRole("row", { name: /rack 2/ });
  await row.getByText("not registered").waitFor();
  await expectNoBarriersHere();
});

test("who is member only sees the hosts of the team, and changes none", async () => {
  const visitor = await dashboard.open();
  await signUp(visitor.page, "Grace Hopper", "grace@example.org");
  await page.goto("/dashboard/team");
  await page.getByRole("button", { name: "Add member" }).click();
  await page.getByLabel("E-mail address").fill("grace@example.org");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("row", { name: "grace@example.org" }).waitFor();
  await visitor.page.reload();
  await visitor.page.getByRole("button", { name: "switch team" }).click();
  await visitor.page.getByRole("menuitem", { name: /Default/ }).click();
  await visitor.page.getByRole("link", { name: "Hosts" }).click();
  await visitor.page
    .getByRole("row", { name: /rack 2/ })
    .getByRole("button", { name: /^Actions/ })
    .click();
  await visitor.page.getByRole("menuitem", { name: "Show" }).waitFor();
  const remove = visitor.page.getByRole("menuitem", { name: "Delete" });
  expect(await remove.getAttribute("aria-disabled")).toBe("true");
  await visitor.context.close();
});

test("a host with nothing on it is deleted without more ado", async () => {
  await page.goto("/dashboard/hosts");
  const [name = ""] = /host-\S+/.exec(
    (await page.getByRole("button", { name: /^Actions for host-/ }).getAttribute("aria-label"))!,
  )!;
  await choose(page, name, "Make another token");
  await dialog("Make another token?").getByRole("button", { name: "Make token" }).click();
  await dialog("Copy the token now").getByRole("button", { name: "Done" }).click();
  await choose(page, name, "Delete");
  await dialog(/^Delete host /)
    .getByText("Nothing is lost with it")
    .waitFor();
  await dialog(/^Delete host /)
    .getByRole("button", { name: "Delete" })
    .click();
  await page.getByText("none is known yet").waitFor();
});

test("no page complained of its policy", () => {
  expect(dashboard.problems()).toEqual([]);
});
