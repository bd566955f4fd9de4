import type { AuthResponse } from "@warren/contracts/rest/accounts";
import type { NewApiKey } from "@warren/contracts/rest/api-keys";
import type { Team } from "@warren/contracts/rest/teams";
import { WebSocket } from "ws";
import type { TestDatabase } from "../database/testing/test-database.ts";
import { TestStack, type TestStackOptions } from "./test-stack.ts";

/** Secret of the session tokens of stacks under test. */
export const TEST_SECRET = "a secret of the tests, which nobody else uses";
export const PASSWORD = "correct horse battery staple";

/** Starts a control plane whose rate limits are out of the way and whose tokens tests can forge. */
export function startAccountStack(
  database: Pick<TestDatabase, "config">,
  options: TestStackOptions = {},
): Promise<TestStack> {
  const config = { rateLimitFactor: 1000, jwtSecrets: [TEST_SECRET], ...options.config };
  return TestStack.start(database, { ...options, config });
}

/** The administrator of the platform whom settings name. */
export const ADMIN = { email: "platform-admin@example.org", password: "the password of the admin" };

/** Starts the same with an administrator of the platform, and signs them in. */
export async function startAdminStack(
  database: Pick<TestDatabase, "config">,
  options: TestStackOptions = {},
): Promise<{ stack: TestStack; admin: Person }> {
  const stack = await startAccountStack(database, { ...options, config: { firstAdmin: ADMIN, ...options.config } });
  return { stack, admin: await Person.logIn(stack, ADMIN.email, ADMIN.password) };
}

/** Calls a route without a credential of its own. The body is sent as JSON, unless it is a form. */
export async function send(
  url: string,
  method: string,
  path: string,
  { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
): Promise<Response> {
  const isJson = body !== undefined && !(body instanceof FormData) && !(body instanceof Blob);
  return fetch(`${url}${path}`, {
    method,
    redirect: "manual",
    headers: { ...(isJson ? { "content-type": "application/json" } : {}), ...headers },
    ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : (body as FormData | Blob) }),
  });
}

/** Status of the answer to a request for a WebSocket, which is closed at once. */
export async function upgradeStatus(url: string, path: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`${url.replace("http", "ws")}${path}`, { headers });
  return new Promise((resolve, reject) => {
    socket.once("unexpected-response", (_request, response) => {
      resolve(response.statusCode!);
      socket.terminate();
    });
    socket.once("open", () => {
      resolve(101);
      socket.terminate();
    });
    socket.on("error", reject);
  });
}

let people = 0;

/** An address that nobody else in the run has. */
export function newEmail(): string {
  return `person-${process.pid}-${++people}@example.org`;
}

/** Somebody with an account and a session. */
export class Person {
  readonly #url: string;
  session: AuthResponse;

  constructor(url: string, session: AuthResponse) {
    this.#url = url;
    this.session = session;
  }

  static async signUp(stack: { url: string }, request: { email?: string; name?: string } = {}): Promise<Person> {
    const body = { email: newEmail(), name: "Ada", password: PASSWORD, ...request };
    const response = await send(stack.url, "POST", "/v1/auth/signup", { body });
    return new Person(stack.url, await expectJson<AuthResponse>(response, 201));
  }

  static async logIn(stack: { url: string }, email: string, password = PASSWORD): Promise<Person> {
    const response = await send(stack.url, "POST", "/v1/auth/login", { body: { email, password } });
    return new Person(stack.url, await expectJson<AuthResponse>(response, 200));
  }

  get token(): string {
    return this.session.token!;
  }

  get userId(): string {
    return this.session.user_id;
  }

  get teamId(): string {
    return this.session.team_id;
  }

  get email(): string {
    return this.session.email;
  }

  /** Calls a route with the session. */
  call(method: string, path: string, body?: unknown): Promise<Response> {
    return send(this.#url, method, path, { body, headers: { authorization: `Bearer ${this.token}` } });
  }

  /** The answer to a call that must succeed. */
  async get<T>(path: string): Promise<T> {
    return expectJson<T>(await this.call("GET", path), 200);
  }

  /** A copy of the person whose session is in another team; the token of this one stays as it is. */
  async inTeam(teamId: string): Promise<Person> {
    const response = await this.call("POST", "/v1/auth/switch-team", { team_id: teamId });
    return new Person(this.#url, await expectJson<AuthResponse>(response, 200));
  }

  /** Makes a team and switches to it. */
  async createTeam(name = "Team of the test"): Promise<Person> {
    const team = await expectJson<Team>(await this.call("POST", "/v1/teams", { name }), 201);
    return this.inTeam(team.id);
  }

  /** Adds somebody to the team of the session; the result is that person's session in it. */
  async addMember(other: Person, role: "admin" | "member" = "member"): Promise<Person> {
    const path = `/v1/teams/${this.teamId}/members`;
    await expectStatus(await this.call("POST", path, { email: other.email }), 201);
    if (role === "admin") await expectStatus(await this.call("PATCH", `${path}/${other.userId}`, { role }), 204);
    return other.inTeam(this.teamId);
  }

  async createApiKey(request: object = {}): Promise<NewApiKey> {
    return expectJson<NewApiKey>(await this.call("POST", "/v1/api-keys", request), 201);
  }
}

/** The body of an answer that must have a status. */
export async function expectJson<T>(response: Response, status: number): Promise<T> {
  await expectStatus(response, status);
  return (await response.json()) as T;
}

export async function expectStatus(response: Response, status: number): Promise<void> {
  if (response.status !== status) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
}
