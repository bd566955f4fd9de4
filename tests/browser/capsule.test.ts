import type { Sandbox } from "@warren/sdk";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectNoBarriers } from "../support/accessibility.ts";
import { type Dashboard, makeFirstAccount, startDashboard } from "../support/dashboard.ts";
import { expectErrorStates } from "../support/page-errors.ts";
import { outputOf, runScript } from "../support/requests.ts";
import { capsulePages } from "./pages.ts";

/** The page of one capsule, with a microVM: what of it is wrong, hostile or in the middle of something. */

/** Milliseconds for processes to end after their terminal, on a machine that has much to do. */
const ENDED = { timeout: 60_000 };

let dashboard: Dashboard;
let page: Page;
let sandbox: Sandbox;

beforeAll(async () => {
  dashboard = await startDashboard({ WARREN_WARM_POOL: "0" });
  ({ page } = await dashboard.open());
  await makeFirstAccount(page, dashboard.setupUrl, "Ada Lovelace", "ada@example.org");
  sandbox = await dashboard.warren.sandboxes.create({ memoryMb: 256, name: "workshop" });
});
afterAll(() => dashboard?.close());

const open = (tab: string, on = page) => on.goto(`/dashboard/capsules/${sandbox.id}?tab=${tab}`);

/** How many processes of a name run in the capsule. */
async function count(name: string): Promise<number> {
  const { stdout } = await runScript(sandbox, `cat /proc/[0-9]*/comm 2>/dev/null | grep -cx ${name} || true`);
  return Number(stdout);
}

/** Has the shell of a page print without an end. */
async function printForever(on: Page): Promise<void> {
  await open("terminal", on);
  await on.getByRole("textbox", { name: "Terminal input" }).pressSequentially("yes again\n");
  await on.getByText("again", { exact: true }).first().waitFor();
  expect(await count("yes")).toBe(1);
}

/** Ends the first shell by its tab, and waits until nothing of it runs. */
async function endShell(): Promise<void> {
  await page.getByRole("button", { name: "End shell 1" }).click();
  await expect.poll(() => count("yes"), ENDED).toBe(0);
  const living = async () => (await sandbox.processes.list()).filter(({ tag, exit }) => tag && !exit);
  await expect.poll(living, ENDED).toEqual([]);
}

test("a shell that is ended while it prints leaves nothing running", async () => {
  await printForever(page);
  await endShell();
});

test("a page that is closed while its shell prints leaves it to itself, and another finds it", async () => {
  const other = await page.context().newPage();
  await printForever(other);
  await other.close();
  await open("terminal");
  await page.getByText("again", { exact: true }).first().waitFor();
  expect(await count("yes")).toBe(1);
  await endShell();
});

test("what is typed into a file is not lost to a change of the team without a question", async () => {
  await sandbox.files.write("notes.txt", "one\n");
  await open("files");
  await page.getByRole("button", { name: "notes.txt", exact: true }).click();
  const text = page.getByRole("textbox", { name: "Content of notes.txt" });
  await text.press("Control+End");
  await text.pressSequentially("typed");

  await page.getByRole("button", { name: "switch team" }).click();
  await page.getByRole("menuitem", { name: "Create a team" }).click();
  const creating = page.getByRole("dialog", { name: "Create a team" });
  await creating.getByLabel("Name").fill("Second team");
  await creating.getByRole("button", { name: "Create" }).click();
  const question = page.getByRole("dialog", { name: "Leave notes.txt unsaved?" });
  await question.getByRole("button", { name: "Cancel" }).click();
  await question.waitFor({ state: "detached" });
  expect(await text.textContent()).toContain("typed");

  await creating.getByRole("button", { name: "Create" }).click();
  await question.getByRole("button", { name: "Leave" }).click();
  await page.waitForURL("/dashboard/capsules/list");
  await page.getByRole("button", { name: "Team Second team" }).click();
  await page.getByRole("menuitem", { name: "owner" }).filter({ hasText: "Default" }).click();
  await page.getByRole("button", { name: "Team Default" }).waitFor();
});

test("markup in names of files is text, wherever the name stands", async () => {
  const markup = `<img src=x onerror=document.title='run'>`;
  await sandbox.exec("mkdir", [markup], { timeoutSec: 300 });
  await open("files");
  await page.getByRole("button", { name: markup, exact: true }).click();
  await page.getByRole("navigation", { name: "Directory" }).getByRole("button", { name: markup }).waitFor();
  const name = `<b onclick=alert(1)>bold.txt`;
  await page.getByLabel("Files to upload").setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from("text") });
  await page.getByRole("cell", { name, exact: true }).waitFor();
  await page.getByText(`${name} uploaded`).waitFor();
  await open("activity");
  await page.getByText(`/${markup}/${name}`).waitFor();
  expect(await page.title()).not.toBe("run");
});

test("an edit that cannot be saved stays, and is saved when asked again", async () => {
  await sandbox.exec("sh", ["-c", "echo first > notes.txt"], { timeoutSec: 300 });
  await open("files");
  await page.getByRole("button", { name: "notes.txt", exact: true }).click();
  const text = page.getByRole("textbox", { name: "Content of notes.txt" });
  await text.press("Control+End");
  await text.pressSequentially("<b>second</b>");
  await page.route(/\/files\/stream\/write$/, (route) => route.abort("connectionrefused"));
  await text.press("Control+s");
  await page.getByText("The server does not answer.").waitFor();
  await expectNoBarriers(page);
  await page.unroute(/\/files\/stream\/write$/);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("status").getByText("Saved", { exact: true }).waitFor();
  expect(await outputOf(sandbox, "cat /home/user/notes.txt /root/notes.txt 2>/dev/null")).toBe("first\n<b>second</b>");
});

test("each part of the page says what went wrong, and tries again when asked to", async () => {
  for (const part of capsulePages(sandbox.id)) await expectErrorStates(page, part);
});

test("no part of the page has barriers", async () => {
  for (const { path, shows } of capsulePages(sandbox.id)) {
    await page.goto(path);
    await shows(page).first().waitFor();
    await expectNoBarriers(page);
  }
});

test("no page complained of its policy", () => {
  expect(dashboard.problems()).toEqual([]);
});
