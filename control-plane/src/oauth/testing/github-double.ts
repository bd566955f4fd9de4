import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { addressOf, endServer, listenLocally } from "../../http/testing/listen-locally.ts";

/** An account at GitHub. */
export interface GitHubAccount {
  id: number;
  login: string;
  name: string | null;
  /** Address of the public profile. */
  email: string | null;
  emails: { email: string; primary: boolean; verified: boolean }[];
}

/** What goes wrong at a step. */
export type Fault = (response: ServerResponse) => void;

/** Client that is registered at the double. */
export const GITHUB_CLIENT = { clientId: "github-client", clientSecret: "github-client-secret" };

/**
 * The three endpoints of GitHub for OAuth apps, and its page where users consent, which is passed at once. It checks
 * what GitHub checks: client, redirect address, PKCE proof, and that a code is used once.
 */
export class GitHubDouble {
  readonly #server: Server;
  readonly #codes = new Map<string, { account: GitHubAccount; redirectUri: string; challenge: string }>();
  readonly #tokens = new Map<string, GitHubAccount>();
  /** Who is signed in at GitHub in the browser that asks next. */
  account: GitHubAccount = newAccount();
  /** Whether the user consents. */
  consents = true;
  /** Faults by path. */
  readonly faults = new Map<string, Fault>();
  /** Redirect address that the app has registered; any when undefined. */
  redirectUri: string | undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<GitHubDouble> {
    const server = createServer();
    const double = new GitHubDouble(server);
    server.on("request", (request, response) => void double.#answer(request, response));
    await listenLocally(server);
    return double;
  }

  get url(): string {
    return addressOf(this.#server);
  }

  close(): Promise<void> {
    return endServer(this.#server);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.url);
    const fault = this.faults.get(url.pathname);
    if (fault) return fault(response);
    switch (`${request.method} ${url.pathname}`) {
      case "GET /login/oauth/authorize":
        return this.#authorize(url.searchParams, response);
      case "POST /login/oauth/access_token":
        return this.#exchange(new URLSearchParams(await text(request)), response);
      case "GET /api/v3/user":
        return this.#withToken(request, response, ({ id, login, name, email }) => ({ id, login, name, email }));
      case "GET /api/v3/user/emails":
        return this.#withToken(request, response, ({ emails }) => emails);
      default:
        response.writeHead(404).end();
    }
  }

  #authorize(query: URLSearchParams, response: ServerResponse): void {
    const { client_id, redirect_uri, state, scope, code_challenge, code_challenge_method } = Object.fromEntries(query);
    const valid =
      client_id === GITHUB_CLIENT.clientId &&
      redirect_uri &&
      (this.redirectUri === undefined || redirect_uri === this.redirectUri) &&
      /^[0-9a-f]{32}$/.test(state ?? "") &&
      scope === "user:email" &&
      code_challenge &&
      code_challenge_method === "S256";
    if (!valid) {
      response.writeHead(400).end("bad request");
      return;
    }
    const back = new URL(redirect_uri);
    back.searchParams.set("state", state!);
    if (this.consents) {
      const code = randomBytes(10).toString("hex");
      this.#codes.set(code, { account: this.account, redirectUri: redirect_uri, challenge: code_challenge });
      back.searchParams.set("code", code);
    } else {
      back.searchParams.set("error", "access_denied");
      back.searchParams.set("error_description", "The user has denied your application access.");
    }
    response.writeHead(302, { location: back.href }).end();
  }

  /** GitHub answers errors of this endpoint with status 200. */
  #exchange(form: URLSearchParams, response: ServerResponse): void {
    const { client_id, client_secret, code = "", redirect_uri, code_verifier = "" } = Object.fromEntries(form);
    const issued = this.#codes.get(code);
    this.#codes.delete(code);
    if (client_id !== GITHUB_CLIENT.clientId || client_secret !== GITHUB_CLIENT.clientSecret) {
      json(response, 200, { error: "incorrect_client_credentials" });
      return;
    }
    const proof = createHash("sha256").update(code_verifier).digest("base64url");
    if (!issued || issued.redirectUri !== redirect_uri || issued.challenge !== proof) {
      json(response, 200, { error: "bad_verification_code" });
      return;
    }
    const token = `gho_${randomBytes(18).toString("hex")}`;
    this.#tokens.set(token, issued.account);
    json(response, 200, { access_token: token, token_type: "bearer", scope: "user:email" });
  }

  #withToken(request: IncomingMessage, response: ServerResponse, answer: (account: GitHubAccount) => unknown): void {
    const account = this.#tokens.get(request.headers.authorization?.replace(/^bearer /i, "") ?? "");
    if (account) json(response, 200, answer(account));
    else json(response, 401, { message: "Bad credentials" });
  }
}

let accounts = 0;

/** An account with one verified address, which its profile shows. */
export function newAccount(changes: Partial<GitHubAccount> = {}): GitHubAccount {
  const id = 1000 + ++accounts;
  const email = changes.email ?? `octo-${process.pid}-${id}@example.org`;
  return {
    id,
    login: `octo${id}`,
    name: "Mona Lisa",
    email,
    emails: [{ email, primary: true, verified: true }],
    ...changes,
  };
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
}
