import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT } from "@warren/cli/bundle-programs";
import type { Sandbox } from "@warren/sdk";
import type { BrowserContextOptions, Locator, Page } from "playwright-core";
import { type Dashboard, makeFirstAccount, PASSWORD, signUp, startDashboard } from "../support/dashboard.ts";
import { signIn, spendEvening } from "./evening.ts";

/** Where docs/dashboard.md has its pictures. */
const DIRECTORY = join(ROOT, "docs/pictures");
const QUALITY = 80;
/** Measurements of a capsule before charts are taken; one comes every ten seconds. */
const MEASURED = 7;
/** Capsules that are compared. */
const COMPARED = 3;

const ADA = { name: "Ada Lovelace", email: "ada@example.org" };
const GRACE = { name: "Grace Hopper", email: "grace@example.org" };

const DESKTOP: BrowserContextOptions = {
  viewport: { width: 1440, height: 900 },
  colorScheme: "light",
  reducedMotion: "reduce",
};
const DARK: BrowserContextOptions = { ...DESKTOP, colorScheme: "dark" };
const PHONE: BrowserContextOptions = { ...DESKTOP, viewport: { width: 390, height: 844 }, hasTouch: true };

/** Ends once all charts have been drawn. */
const DRAWN = `new Promise((drawn) => {
  const isDrawn = (canvas) =>
    canvas.width > 0 && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean);
  const look = () =>
    [...document.querySelectorAll("figure canvas")].every(isDrawn) ? drawn() : requestAnimationFrame(look);
  look();
})`;

await rm(DIRECTORY, { recursive: true, force: true });
await mkdir(DIRECTORY, { recursive: true });
const dashboard = await startDashboard({ WARREN_WARM_POOL: "0" });
try {
  await takeAll(dashboard);
} finally {
  await dashboard.close();
}

async function takeAll(dashboard: Dashboard): Promise<void> {
  const { page: ada } = await dashboard.open(DESKTOP);
  await ada.goto(dashboard.setupUrl);
  await take(ada, "setup", ada.getByRole("button", { name: "Make the account" }));
  await makeFirstAccount(ada, dashboard.setupUrl, ADA.name, ADA.email);
  await signUp((await dashboard.open()).page, GRACE.name, GRACE.email);
  const { main, worker } = await spendEvening(await signIn(dashboard.url, ADA.email), GRACE.email);
  await closeNotice(ada);

  const capsule = `/dashboard/capsules/${main.id}`;
  await workInShell(ada, capsule);
  await take(ada, "terminal");
  await ada.goto(`${capsule}?tab=files`);
  await take(ada, "files", ada.getByRole("table", { name: "Files" }));
  await ada.getByRole("button", { name: "report.py", exact: true }).click();
  await take(ada, "editor", ada.getByRole("region", { name: "Editor" }).getByText("most_common"));
  await untilMeasured(worker);
  await takeLists(ada);
  await takeDark(await signedIn(dashboard, DARK), worker.id);
  const phone = await signedIn(dashboard, PHONE);
  await takeList(phone, "capsules-phone");
}

/** Waits until there are lines to draw. */
async function untilMeasured(sandbox: Sandbox): Promise<void> {
  while ((await sandbox.metrics("5m")).labels.length < MEASURED) await delay(5000);
}

/** Opens a shell and does something in it. */
async function workInShell(page: Page, capsule: string): Promise<void> {
  await page.goto(`${capsule}?tab=terminal`);
  const shell = page.getByRole("textbox", { name: "Terminal input" });
  const prompts = page.locator(".xterm-rows > div", { hasText: ":~$" });
  await prompts.first().waitFor();
  for (const [index, line] of ["uname -sr", "ls --color *", "python3 report.py data/sales.csv"].entries()) {
    await shell.pressSequentially(`${line}\n`);
    await prompts.nth(index + 1).waitFor();
  }
}

/** The list of capsules once it follows what happens and knows what they use. */
async function takeList(page: Page, name: string): Promise<void> {
  const measured = page.waitForResponse(/\/v1\/sandboxes\/metrics/);
  await page.goto("/dashboard/capsules/list");
  await measured;
  await page.getByRole("table", { name: "Capsules" }).waitFor();
  await take(page, name, page.getByTitle("Changes come as they happen"));
}

async function takeLists(page: Page): Promise<void> {
  await takeList(page, "capsules");
  await page.getByRole("button", { name: "Create capsule" }).first().click();
  await take(page, "create", page.getByRole("dialog", { name: "Create a capsule" }).getByLabel("Memory in MiB"));
  await page.goto("/dashboard/snapshots/family");
  await take(page, "family", page.getByText("other-approach"));
  await page.goto("/dashboard/audit");
  await take(page, "audit", page.getByRole("list", { name: "Events" }));
  await page.goto("/dashboard/team");
  await take(page, "team", page.getByRole("table", { name: "Members" }));
  await page.goto("/dashboard/admin?tab=hosts");
  await take(page, "admin", page.getByRole("table", { name: "Hosts" }));
}

async function takeDark(page: Page, workerId: string): Promise<void> {
  await page.goto("/dashboard/capsules/stats?range=5m");
  await take(page, "stats-dark", page.locator("canvas").nth(1));
  await page.goto(`/dashboard/capsules/${workerId}?tab=metrics&range=5m`);
  await take(page, "metrics-dark", page.locator("canvas").nth(1));
  await page.goto("/dashboard/capsules/list");
  const boxes = page.getByRole("checkbox", { name: /^Select sb/ });
  await boxes.first().waitFor();
  for (const box of (await boxes.all()).slice(0, COMPARED)) await box.check();
  await page.getByRole("link", { name: "Compare" }).click();
  await take(page, "compare-dark", page.locator("canvas").nth(1));
  await page.goto("/dashboard/usage");
  await take(page, "usage-dark", page.getByRole("table", { name: "Use of each capsule" }));
  await page.goto("/dashboard/capsules/list");
  await page.getByRole("table", { name: "Capsules" }).waitFor();
  await page.keyboard.press("Control+k");
  await take(page, "palette-dark", page.getByPlaceholder("Go to, do"));
}

/** A page of Ada's in a profile of its own, at the list of capsules. */
async function signedIn(dashboard: Dashboard, options: BrowserContextOptions): Promise<Page> {
  const { page } = await dashboard.open(options);
  await page.goto("/login");
  await page.getByLabel("E-mail").fill(ADA.email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL("/dashboard/capsules/list");
  await closeNotice(page);
  return page;
}

/** Pictures are those of a machine with KVM, wherever they are taken: closes the notice of one without. */
async function closeNotice(page: Page): Promise<void> {
  const { accelerator } = (await (await page.request.get("/v1/admin/hosts")).json()).items[0];
  if (accelerator !== "kvm") await page.getByRole("button", { name: "Close this notice" }).click();
}

/** Takes a picture of what is in view, once `shown` is. */
async function take(page: Page, name: string, shown?: Locator): Promise<void> {
  await shown?.first().waitFor();
  await page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))");
  await page.evaluate(DRAWN);
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: QUALITY });
  await session.detach();
  const picture = Buffer.from(data, "base64");
  await writeFile(join(DIRECTORY, `${name}.webp`), picture);
  process.stdout.write(`${name}.webp: ${Math.round(picture.length / 1000)} kB\n`);
}
