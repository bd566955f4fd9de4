import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { Page, WebSocket } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Dashboard, makeFirstAccount, signUp, startFakeDashboard } from "../support/dashboard.ts";
import { WARREN } from "../support/warren-command.ts";

/** What one browser keeps apart, shows once, or refuses to guess. */

let dashboard: Dashboard;
let page: Page;
let capsule: string;

beforeAll(async () => {
  dashboard = await startFakeDashboard();
  ({ page } = await dashboard.open());
  await makeFirstAccount(page, dashboard.setupUrl, "Ada Lovelace", "ada@example.org");
  const { id } = await dashboard.warren.sandboxes.create({ memoryMb: 128, name: "of-the-first-team" });
  capsule = `/dashboard/capsules/${id}`;
});
afterAll(() => dashboard?.close());

/** Asks the API in the session of a tab. */
function ask<T>(tab: Page, method: string, path: string, body?: object): Promise<T> {
  return tab.evaluate(
    async ({ method, path, body }) => {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(path, { method, ...(body && { headers, body: JSON.stringify(body) }) });
      if (!answer.ok) throw new Error(await answer.text());
      return answer.status === 204 ? undefined : answer.json();
    },
    { method, path, body },
  ) as Promise<T>;
}

test("the breadcrumb calls a capsule by its name", async () => {
  await page.goto(capsule);
  const way = page.getByRole("list", { name: "Where this page is" });
  await way.getByRole("link", { name: "of-the-first-team" }).waitFor();
  expect(await way.textContent()).not.toMatch(/sb[a-z2-7]{4}…/);
});

test("a command as long as a screen is clamped in the audit log, and shown whole when asked to", async () => {
  const sandbox = await dashboard.warren.sandboxes.get(capsule.split("/").at(-1) ?? "");
  const command = `echo ${"word ".repeat(700)}end-of-it`;
  await sandbox.exec("sh", ["-c", command]).catch(() => undefined);
  await page.goto("/dashboard/audit");
  const row = page.getByRole("listitem").filter({ hasText: "end-of-it" }).first();
  const height = async () => (await row.boundingBox())?.height ?? 0;
  const more = row.getByRole("button", { name: "Show all" });
  await more.waitFor();
  const clamped = await height();
  expect(clamped).toBeLessThan(120);
  await more.click();
  await row.getByRole("button", { name: "Show less" }).waitFor();
  expect(await height()).toBeGreaterThan(clamped);
});

test("the audit log tells what happens when it does", async () => {
  await page.goto("/dashboard/audit");
  await page.getByRole("list", { name: "Events" }).waitFor();
  const sandbox = await dashboard.warren.sandboxes.create({ memoryMb: 128 });
  // Sooner than it asks by itself, which is after 30 seconds.
  await page.locator(`a[href="/dashboard/capsules/${sandbox.id}"]`).first().waitFor({ timeout: 20_000 });
  await sandbox.destroy();
});

test("commands stand in the list of a capsule as they start and end, without a question now and again", async () => {
  // One whose terminal nobody has looked at: that opens a shell, which would stand in the list.
  const sandbox = await dashboard.warren.sandboxes.create({ memoryMb: 128 });
  const tab = await page.context().newPage();
  await tab.addInitScript(`{
    const repeat = window.setInterval;
    window.setInterval = (act, ms) => (ms >= 1000 ? 0 : repeat(act, ms));
  }`);
  const watches: WebSocket[] = [];
  tab.on("websocket", (socket) => {
    if (socket.url().endsWith("/processes")) watches.push(socket);
  });
  await tab.goto(`/dashboard/capsules/${sandbox.id}?tab=processes`);
  await tab.getByText("No command runs in the capsule").waitFor();
  const { pid } = await sandbox.processes.start("sleep", ["600"]);
  const row = tab.getByRole("row").filter({ hasText: "sleep 600" });
  await row.getByText("runs", { exact: true }).waitFor();
  // What else changes of the capsule does not break the watch.
  await sandbox.update({ name: "watched" });
  await tab.getByRole("heading", { name: "watched" }).waitFor();
  await sandbox.processes.end(pid);
  await row.getByText("ended").waitFor();
  expect(watches.length).toBe(1);
  await tab.close();
  await sandbox.destroy();
});

test("two tabs of one browser never show two teams", async () => {
  const list = await page.context().newPage();
  await list.goto("/dashboard/capsules/list");
  await list.getByRole("link", { name: "of-the-first-team" }).waitFor();
  await page.goto(capsule);
  await page.getByRole("heading", { name: "of-the-first-team" }).waitFor();

  const other = await page.context().newPage();
  await other.goto("/dashboard/team");
  await other.getByRole("button", { name: "switch team" }).click();
  await other.getByRole("menuitem", { name: "Create a team" }).click();
  await other.getByRole("dialog").getByLabel("Name").fill("Second team");
  await other.getByRole("dialog").getByRole("button", { name: "Create" }).click();

  for (const tab of [list, page, other]) await tab.getByRole("button", { name: "Team Second team" }).waitFor();
  await list.getByText("create the first one").waitFor();
  await page.getByRole("alert").waitFor();
  for (const tab of [list, page, other]) expect(await tab.getByText("of-the-first-team").count()).toBe(0);

  // What is made in any of them now is of the second team, and back in the first team nothing of it is there.
  await list.goto("/dashboard/keys");
  await list.getByRole("button", { name: "Create key" }).first().click();
  await list.getByRole("dialog").getByLabel("Name").fill("of-the-second-team");
  await list.getByRole("dialog").getByRole("button", { name: "Create key" }).click();
  await list.getByRole("dialog").getByRole("button", { name: "Done" }).click();
  await other.getByRole("button", { name: "switch team" }).click();
  await other.getByRole("menuitem", { name: "owner" }).filter({ hasText: "Default" }).click();
  await page.getByRole("heading", { name: "of-the-first-team" }).waitFor();
  await list.getByRole("table", { name: "API keys" }).waitFor();
  expect(await list.getByText("of-the-second-team").count()).toBe(0);
  await list.close();
  await other.close();
});

/** Makes somebody a member of the team of the capsule, and that the team of their session. Returned is what removes them. */
async function join(browser: Page, name: string, email: string): Promise<() => Promise<void>> {
  await browser.goto("/login?mode=sign-up");
  await browser.getByLabel("Name").fill(name);
  await browser.getByLabel("E-mail").fill(email);
  await browser.getByLabel("Password").fill("correct horse battery");
  await browser.getByRole("button", { name: "Make an account" }).click();
  await browser.waitForURL("/dashboard/capsules/list");
  const { team } = await ask<{ team: { team_id: string } }>(page, "GET", "/v1/me");
  const members = `/v1/teams/${team.team_id}/members`;
  const { user_id } = await ask<{ user_id: string }>(page, "POST", members, { email });
  await ask(browser, "POST", "/v1/auth/switch-team", { team_id: team.team_id });
  await browser.reload();
  await browser.getByRole("link", { name: "of-the-first-team" }).waitFor();
  return () => ask(page, "DELETE", `${members}/${user_id}`);
}

test("who is removed from a team sees nothing of it any more, in any tab", async () => {
  const { context, page: list } = await dashboard.open();
  const remove = await join(list, "Grace Hopper", "grace@example.org");
  const other = await context.newPage();
  await other.goto(capsule);
  await other.getByRole("heading", { name: "of-the-first-team" }).waitFor();
  await remove();
  for (const tab of [list, other]) {
    await tab.getByRole("button", { name: "Team none" }).waitFor();
    expect(await tab.getByText("of-the-first-team").count()).toBe(0);
  }
  await context.close();
});

test("who is removed from a team while they edit a file can copy what they typed before it goes", async () => {
  const { context, page: editing } = await dashboard.open();
  const remove = await join(editing, "Barbara Liskov", "barbara@example.org");
  await editing.route(/\/files\/stream\/read$/, (route) =>
    route.fulfill({ body: "one\n", contentType: "application/octet-stream" }),
  );
  await editing.goto(`${capsule}?tab=files&path=/home&edit=/home/notes.txt`);
  const text = editing.getByRole("textbox", { name: "Content of notes.txt" });
  await text.press("Control+End");
  await text.pressSequentially("typed and not saved");
  await editing.unroute(/\/files\/stream\/read$/);
  await remove();
  const question = editing.getByRole("dialog", { name: "Leave notes.txt unsaved?" });
  await question.getByRole("button", { name: "Cancel" }).click();
  // Nothing asks again while they copy it, whatever else is refused meanwhile.
  await editing.getByRole("button", { name: "Save" }).click();
  await editing.getByRole("alert").first().waitFor();
  expect(await question.count()).toBe(0);
  expect(await text.textContent()).toContain("typed and not saved");
  await editing.getByRole("link", { name: "Keys" }).first().click();
  await question.getByRole("button", { name: "Leave" }).click();
  await editing.getByRole("button", { name: "Team none" }).waitFor();
  await context.close();
});

test("the command of an empty page works in a shell with the line that a new key comes with, for the team that is looked at", async () => {
  const { context, page: browser } = await dashboard.open();
  await signUp(browser, "Linus", "linus@example.org");
  const command = await browser.getByRole("button", { name: "Copy command" }).getAttribute("title");
  await browser.getByRole("link", { name: "key", exact: true }).click();
  await browser.getByRole("button", { name: "Create key" }).first().click();
  const dialog = browser.getByRole("dialog");
  await dialog.getByRole("button", { name: "Create key" }).click();
  const line = await dialog.getByRole("button", { name: "Copy line for a shell" }).getAttribute("title");
  await dialog.getByRole("button", { name: "Done" }).click();
  await browser.goto("/dashboard/capsules/list");
  await browser.getByText("create the first one").waitFor();

  const shell = { cwd: dirname(WARREN), env: { ...process.env, WARREN_URL: undefined, WARREN_API_KEY: undefined } };
  const { stdout } = await promisify(execFile)("sh", ["-c", `${line}\n${command}`], shell);
  await browser.getByRole("row").getByTitle(stdout.trim()).first().waitFor();
  await context.close();
});

test("a key is shown once", async () => {
  await page.goto("/dashboard/keys");
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Create key" }).first().click();
  await dialog.getByLabel("Name").fill("for CI");
  await dialog.getByRole("button", { name: "Create key" }).click();
  const shown = await dialog.getByRole("button", { name: "Copy key" }).textContent();
  const key = /warren_[0-9a-f]{40}/.exec(shown ?? "")?.[0] ?? "";
  expect(key).not.toBe("");
  await dialog.getByRole("button", { name: "Done" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("cell", { name: "for CI" }).waitFor();
  expect(await page.content()).not.toContain(key);
  await page.getByRole("button", { name: "Create key" }).first().click();
  await dialog.getByLabel("Name").waitFor();
  expect(await page.content()).not.toContain(key);
  await page.reload();
  await page.getByRole("cell", { name: "for CI" }).waitFor();
  expect(await page.content()).not.toContain(key);
  await page.goto("/dashboard/audit");
  await page.getByText("created the key for CI").waitFor();
  expect(await page.content()).not.toContain(key);
});

test.each([
  ["/dashboard/capsules/list?state=asleep", "state=asleep"],
  ["/dashboard/capsules/list?template=nowhere", "template=nowhere"],
  ["/dashboard/capsules/stats?range=7y", "range=7y"],
  ["/dashboard/snapshots?type=<b>", "type=<b>"],
  ["/dashboard/capsules/compare?ids=sb1,<b>&range=7y", "ids=sb1 and ids=<b> and range=7y"],
  ["/dashboard/audit?resource_type=sandbox,moon&action=eat", "resource_type=moon and action=eat"],
  ["/dashboard/usage?month=2026-13&of=love", "month=2026-13 and of=love"],
  ["/dashboard/admin?tab=secrets", "tab=secrets"],
])("%s says that the page does not know %s", async (path, unknown) => {
  await page.goto(path);
  await page.getByText(`The address asks for ${unknown}, which this page does not know`).waitFor();
});

test("a capsule's page says what it does not know of its address", async () => {
  await page.goto(`${capsule}?tab=secrets`);
  await page.getByText("The address asks for tab=secrets, which this page does not know").waitFor();
  await page.goto(`${capsule}?tab=metrics&range=7y`);
  await page.getByText("The address asks for range=7y, which this page does not know").waitFor();
});

test("the policy of the pages lets no script and no style in that is not theirs", async () => {
  const stranger = await dashboard.open();
  const response = await stranger.page.goto("/login");
  const policy = response?.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src");
  expect(policy).not.toMatch(/unsafe-(inline|eval)|\*|https?:/);
  await stranger.page.evaluate(`document.body.insertAdjacentHTML("beforeend", "<p style='color: red'>red</p>")`);
  await expect.poll(() => stranger.problems.length).toBeGreaterThan(0);
  await stranger.context.close();
  stranger.problems.length = 0;
});

test("no page complained of its policy", () => {
  expect(dashboard.problems()).toEqual([]);
});
