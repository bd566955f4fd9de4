import { get } from "node:http";
import { type Browser, chromium, type Page } from "playwright-core";

/** Debian's Chromium. */
const CHROMIUM = "/usr/bin/chromium";
/** Steps down a list and up again, of as many pixels each. */
const SCROLL = { steps: 120, pixels: 500 };
/** Category of the trace that has the tasks of the main thread. */
const TASKS = "disabled-by-default-devtools.timeline";

/** A task of the main thread of a page, which holds up all else meanwhile. */
interface Task {
  ms: number;
  /** Milliseconds of processor time. */
  processorMs: number;
}

/** An event of a trace of Chromium; durations are in microseconds. */
interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  dur?: number;
  tdur?: number;
  args: { name?: string };
}

/** The pages of a control plane in a browser that has never seen them, with somebody signed in. */
export class Pages {
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #url: string;
  readonly #scripts = new Set<string>();

  private constructor(browser: Browser, page: Page, url: string) {
    this.#browser = browser;
    this.#page = page;
    this.#url = url;
    page.on("request", (request) => {
      if (new URL(request.url()).pathname.endsWith(".js")) this.#scripts.add(request.url());
    });
  }

  static async open(url: string, { email, password }: { email: string; password: string }): Promise<Pages> {
    // The sandbox of Chromium does not run as root.
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
    const context = await browser.newContext({ baseURL: url, viewport: { width: 1440, height: 900 } });
    context.setDefaultTimeout(120_000);
    const signedIn = await context.request.post("/v1/auth/login", {
      data: { email, password, cookie: true },
      headers: { origin: url },
    });
    if (!signedIn.ok()) throw new Error(`signing in was refused: ${await signedIn.text()}`);
    return new Pages(browser, await context.newPage(), url);
  }

  /** Opens a page; returns the bytes of script that it needs beyond those before it, in gzip. */
  async load(path: string, shown: (page: Page) => Promise<unknown>): Promise<number> {
    const before = new Set(this.#scripts);
    await this.#page.goto(path);
    await shown(this.#page);
    const added = [...this.#scripts].filter((script) => !before.has(script));
    const sizes = await Promise.all(added.map(gzipBytes));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** Scrolls the list in view to `last` and back to `first`; returns what the longest task took meanwhile. */
  async scroll(first: string, last: string): Promise<Task> {
    const page = this.#page;
    await page.getByText(first, { exact: true }).first().hover();
    await this.#browser.startTracing(page, { categories: [TASKS] });
    for (const [text, direction] of [
      [last, 1],
      [first, -1],
    ] as const) {
      for (let step = 0; step < SCROLL.steps; step++) {
        await page.mouse.wheel(0, direction * SCROLL.pixels);
        await page.evaluate("new Promise(requestAnimationFrame)");
      }
      await page.getByText(text, { exact: true }).first().waitFor();
    }
    return longestTask(JSON.parse((await this.#browser.stopTracing()).toString()).traceEvents);
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }
}

/** Bytes of a file as the server sends it to a client that takes gzip. */
function gzipBytes(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false, headers: { "accept-encoding": "gzip" } }, (response) => {
      if (response.headers["content-encoding"] !== "gzip") reject(new Error(`${url} came without gzip`));
      let bytes = 0;
      response
        .on("data", (chunk: Buffer) => {
          bytes += chunk.length;
        })
        .on("end", () => resolve(bytes))
        .on("error", reject);
    }).on("error", reject);
  });
}

/** The most that any task of a page's main thread took, and the most processor time of any. */
function longestTask(events: readonly TraceEvent[]): Task {
  const threadOf = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
  const isMain = ({ name, args }: TraceEvent) => name === "thread_name" && args.name === "CrRendererMain";
  const main = new Set(events.filter(isMain).map(threadOf));
  const tasks = events.filter((event) => event.name === "RunTask" && main.has(threadOf(event)));
  if (tasks.length === 0) throw new Error("the trace has no tasks of a page");
  const most = (of: (event: TraceEvent) => number | undefined) =>
    Math.max(...tasks.map((task) => of(task) ?? 0)) / 1000;
  return { ms: most(({ dur }) => dur), processorMs: most(({ tdur }) => tdur) };
}
