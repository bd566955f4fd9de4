import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { choose, type Dashboard, makeFirstAccount, signUp, startDashboard } from "../support/dashboard.ts";

/** What somebody does who has never seen Warren, from the link that the server prints on. Each step builds on those before. */

let dashboard: Dashboard;
let ada: Page;
let grace: Page;

beforeAll(async () => {
  // Nothing is kept ready: a third microVM would take its time from those of the story.
  dashboard = await startDashboard({ WARREN_WARM_POOL: "0" });
  ada = (await dashboard.open()).page;
  grace = (await dashboard.open()).page;
});
afterAll(() => dashboard?.close());

const shellOf = (page: Page) => page.getByRole("textbox", { name: "Terminal input" });

/** Types a line into the shell in view, and waits until `output` stands in the terminal. */
async function inShell(page: Page, line: string, output: string): Promise<void> {
  await shellOf(page).pressSequentially(`${line}\n`);
  await page.getByText(output).first().waitFor();
}

test("the link of the server makes the first account", async () => {
  await makeFirstAccount(ada, dashboard.setupUrl, "Ada Lovelace", "ada@example.org");
  await ada.getByText("create the first one").waitFor();
});

test("a capsule is created in a dialog, and its page is there, with a shell", async () => {
  await ada.getByRole("main").getByRole("button", { name: "Create capsule" }).first().click();
  const dialog = ada.getByRole("dialog", { name: "Create a capsule" });
  await dialog.getByLabel("Name").fill("work shop");
  await dialog.getByText("Letters, digits and . _ -, the first a letter or digit.").waitFor();
  await dialog.getByLabel("Name").fill("workshop");
  await dialog.getByLabel("Memory in MiB").fill("256");
  await dialog.getByRole("button", { name: "Create capsule" }).click();
  await ada.getByRole("heading", { name: "workshop" }).waitFor();
  await ada.locator("textarea:focus").waitFor();
  await dialog.waitFor({ state: "hidden" });
});

test("a shell in it has the name of the capsule, and runs what is typed", async () => {
  await ada.getByText("@workshop:").first().waitFor();
  await inShell(ada, "echo answer-$((6 * 7))", "answer-42");
  await inShell(ada, "uname -s && pwd", "Linux");
});

test("a file is uploaded, and programs in the capsule find it", async () => {
  await ada.getByRole("link", { name: "Files" }).click();
  await ada
    .getByText("Nothing is in this directory")
    .or(ada.getByRole("table", { name: "Files" }))
    .waitFor();
  const buffer = Buffer.from("first line\n");
  await ada.getByLabel("Files to upload").setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer });
  await ada.getByRole("cell", { name: "notes.txt", exact: true }).waitFor();
  await ada.getByRole("link", { name: "Terminal" }).click();
  await inShell(ada, "tr a-z A-Z < notes.txt", "FIRST LINE");
});

test("the file is edited in its page", async () => {
  await ada.getByRole("link", { name: "Files" }).click();
  await ada.getByRole("button", { name: "notes.txt", exact: true }).click();
  const text = ada.getByRole("textbox", { name: "Content of notes.txt" });
  await text.press("Control+End");
  await text.pressSequentially("second line");
  await text.press("Control+s");
  await ada.getByRole("status").getByText("Saved", { exact: true }).waitFor();
  await ada.getByRole("region", { name: "Editor" }).getByRole("button", { name: "Close" }).click();
  await ada.getByRole("link", { name: "Terminal" }).click();
  await inShell(ada, "tr a-z A-Z < notes.txt", "SECOND LINE");
});

test("its shell is there after a reload, with its screen, and a second one ends with its tab", async () => {
  await inShell(ada, "own=$$; echo before-$((1 + 1))", "before-2");
  await ada.reload();
  await ada.getByText("before-2").first().waitFor();
  await inShell(ada, "[ $own = $$ ] && echo same-$((1 + 1))", "same-2");
  await ada.getByRole("button", { name: "New shell" }).click();
  await inShell(ada, "echo $((2 + 3))-other", "5-other");
  await ada.getByRole("button", { name: "End shell 2" }).click();
  const [workshop] = await dashboard.warren.sandboxes.list();
  const shells = async () => (await workshop!.processes.list()).filter(({ exit }) => !exit).map(({ tag }) => tag);
  await expect.poll(shells).toEqual(["terminal-1"]);
});

test("it is paused and resumed where it stood, and its shell with it", async () => {
  await inShell(ada, "echo kept > /dev/shm/kept && echo wrote-$?", "wrote-0");
  await ada.getByRole("button", { name: "Pause", exact: true }).click();
  await ada.getByText("The capsule is paused").waitFor();
  await ada.getByRole("button", { name: "Resume" }).last().click();
  // The keys are the shell's again once it goes on.
  await ada.locator("textarea:focus").waitFor();
  await inShell(ada, "[ $own = $$ ] && echo still-$(cat /dev/shm/kept)", "still-kept");
});

test("a snapshot is made of it, and another capsule starts from that", async () => {
  await ada.getByRole("button", { name: "Snapshot", exact: true }).click();
  const dialog = ada.getByRole("dialog", { name: "Snapshot workshop" });
  await dialog.getByLabel("Name of the snapshot").fill("ready-made");
  await dialog.getByRole("button", { name: "Pause and snapshot" }).click();
  await dialog.waitFor({ state: "hidden" });
  await ada.getByRole("link", { name: "Snapshots" }).click();
  await choose(ada, "ready-made", "Create capsule");
  const creation = ada.getByRole("dialog", { name: "Create a capsule" });
  await expect.poll(() => creation.getByLabel("Start from").inputValue()).toBe("ready-made");
  await creation.getByLabel("Name").fill("second");
  await creation.getByRole("button", { name: "Create capsule" }).click();
  await ada.getByRole("heading", { name: "second" }).waitFor();
  await inShell(ada, "cat notes.txt /dev/shm/kept | tr a-z A-Z", "KEPT");
});

test("both are seen in one chart", async () => {
  await ada.getByRole("link", { name: "Capsules" }).first().click();
  for (const name of ["workshop", "second"]) await ada.getByRole("row", { name }).getByRole("checkbox").check();
  await ada.getByRole("link", { name: "Compare" }).click();
  const table = ada.getByRole("table", { name: "Use over the last 5 minutes" });
  for (const name of ["workshop", "second"]) await table.getByRole("link", { name, exact: true }).waitFor();
  await table
    .getByRole("row", { name: "workshop" })
    .getByText(/^\d+ %$/)
    .first()
    .waitFor();
  await ada.getByRole("img", { name: /^Memory in use in / }).waitFor();
});

test("a second person is added to the team, who may do less in it", async () => {
  await signUp(grace, "Grace Hopper", "grace@example.org");
  await ada.getByRole("link", { name: "Team", exact: true }).click();
  await ada.getByLabel("Only the owner and admins make and revoke keys").check();
  await ada.getByRole("button", { name: "Add member" }).click();
  await ada.getByLabel("E-mail address").fill("grace@example.org");
  await ada.getByRole("button", { name: "Add", exact: true }).click();
  await ada
    .getByRole("row", { name: "grace@example.org" })
    .getByRole("cell", { name: "member", exact: true })
    .waitFor();

  await grace.reload();
  await grace.getByRole("button", { name: "switch team" }).click();
  await grace.getByRole("menuitem", { name: "member" }).click();
  await grace.getByRole("link", { name: "second", exact: true }).waitFor();
  await grace.getByRole("link", { name: "Team", exact: true }).click();
  await grace.getByRole("button", { name: "Leave this team" }).waitFor();
  for (const name of ["Add member", "Rename", "Actions for Grace Hopper"]) {
    expect(await grace.getByRole("button", { name }).count()).toBe(0);
  }
  await grace.getByRole("link", { name: "Keys" }).click();
  await grace.getByRole("button", { name: "Create key" }).first().hover();
  await grace.getByText("In this team the owner and admins make keys").waitFor();
  await grace.goto("/dashboard/admin");
  await grace.getByText("Only administrators of the platform see this page").waitFor();
});

test("the audit log tells all of it in sentences", async () => {
  await ada.getByRole("link", { name: "Audit" }).click();
  const events = ada.getByRole("list", { name: "Events" });
  await events.waitFor();
  const told = (await events.getByRole("listitem").getByRole("paragraph").allInnerTexts()).toReversed();
  const story = [
    /^Ada Lovelace created \S+ named workshop from minimal$/,
    /^Ada Lovelace opened a shell in \S+$/,
    /^Ada Lovelace wrote \/\S*\/notes\.txt in \S+$/,
    /^Ada Lovelace wrote \/\S*\/notes\.txt in \S+$/,
    /^Ada Lovelace paused \S+$/,
    /^Ada Lovelace resumed \S+$/,
    /^Ada Lovelace made the snapshot ready-made from \S+$/,
    /^Ada Lovelace created \S+ named second from ready-made$/,
    /^Ada Lovelace changed .* of the team$/,
    /^Ada Lovelace added grace@example\.org as member$/,
  ];
  let from = 0;
  for (const sentence of story) {
    const index = told.findIndex((each, at) => at >= from && sentence.test(each));
    expect(index, `${sentence} follows in\n${told.join("\n")}`).toBeGreaterThanOrEqual(from);
    from = index + 1;
  }
});

test("no page complained of its policy", () => {
  expect(dashboard.problems()).toEqual([]);
});
