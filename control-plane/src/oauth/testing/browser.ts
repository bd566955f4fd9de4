import { CookieJar } from "tough-cookie";

/** Redirects that a browser follows before it gives up. */
const MOST_REDIRECTS = 20;

/** Where a browser has arrived. */
export interface Page {
  /** Address in the address bar. */
  url: URL;
  /** All addresses on the way, this one included. */
  visited: URL[];
  status: number;
  text: string;
}

/**
 * Goes where redirects lead and keeps cookies as a browser does, by the rules of RFC 6265. Origins that are public names
 * lead to servers of the test.
 */
export class Browser {
  readonly jar: CookieJar;
  readonly #servers: ReadonlyMap<string, string>;
  readonly #stopAt: (url: URL) => boolean;

  /** `servers`: actual address of each origin that is a public name. `stopAt`: pages that are not loaded. */
  constructor(servers: ReadonlyMap<string, string>, stopAt: (url: URL) => boolean, jar = new CookieJar()) {
    this.jar = jar;
    this.#servers = servers;
    this.#stopAt = stopAt;
  }

  /** Enters an address. */
  open(address: string | URL): Promise<Page> {
    return this.#go(new URL(address), {});
  }

  /** Sends the first form of a page with the given values in its fields. */
  submit(page: Page, values: Record<string, string>): Promise<Page> {
    const form = /<form[^>]*>[\s\S]*?<\/form>/.exec(page.text)?.[0];
    const action = form && /action="([^"]+)"/.exec(form)?.[1];
    if (!form || !action) throw new Error(`${page.url} has no form:\n${page.text}`);
    const fields = new URLSearchParams();
    for (const [input] of form.matchAll(/<input[^>]*>/g)) {
      const name = /name="([^"]+)"/.exec(input)?.[1];
      if (name) fields.set(name, values[name] ?? /value="([^"]*)"/.exec(input)?.[1] ?? "");
    }
    return this.#go(new URL(action, page.url), { method: "POST", body: fields });
  }

  /** Calls the API from a page of the given origin. */
  async call(method: string, address: string, headers: Record<string, string> = {}, body?: string): Promise<Response> {
    return this.#fetch(new URL(address), { method, headers, ...(body === undefined ? {} : { body }) });
  }

  /** A browser with the same cookies. */
  async clone(): Promise<Browser> {
    return new Browser(this.#servers, this.#stopAt, await this.jar.clone());
  }

  async #go(start: URL, init: RequestInit): Promise<Page> {
    let url = start;
    let options = init;
    const visited = [url];
    while (visited.length <= MOST_REDIRECTS) {
      if (this.#stopAt(url)) return { url, visited, status: 200, text: "" };
      const response = await this.#fetch(url, options);
      const location = response.headers.get("location");
      if (location === null) return { url, visited, status: response.status, text: await response.text() };
      await response.body?.cancel();
      url = new URL(location, url);
      options = {};
      visited.push(url);
    }
    throw new Error(`too many redirects: ${visited.join(" → ")}`);
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    const server = this.#servers.get(url.origin) ?? url.origin;
    const cookie = await this.jar.getCookieString(url.href);
    const response = await fetch(new URL(`${url.pathname}${url.search}`, server), {
      ...init,
      redirect: "manual",
      headers: { ...(init.headers as Record<string, string>), ...(cookie === "" ? {} : { cookie }) },
    });
    for (const header of response.headers.getSetCookie()) await this.jar.setCookie(header, url.href);
    return response;
  }
}
