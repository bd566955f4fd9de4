import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ErrorBody } from "@warren/contracts/rest/error";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { type Config, parseConfig } from "../config.ts";
import { type ControlPlane, startControlPlane } from "../control-plane.ts";
import { HostAgentDouble } from "../hosts/testing/host-agent-double.ts";
import { createLogger, type Logger } from "../logging.ts";

/** Settings of a control plane under test. */
export interface TestStackOptions {
  config?: Partial<Config>;
  log?: Logger;
}

/** Where a control plane under test keeps what it keeps; without `databaseUrl` in an embedded database. */
type TestStackDatabase = Pick<Config, "databaseUrl" | "dataDir" | "cacheDir" | "ephemeral">;

/** A whole control plane on a free port, with one host that is a double, and a client of its first team. */
export class TestStack {
  readonly controlPlane: ControlPlane;
  readonly host: HostAgentDouble;
  readonly apiKey: string;
  readonly config: Config;

  private constructor(parts: { controlPlane: ControlPlane; host: HostAgentDouble; apiKey: string; config: Config }) {
    this.controlPlane = parts.controlPlane;
    this.host = parts.host;
    this.apiKey = parts.apiKey;
    this.config = parts.config;
  }

  static async start(database: { config: TestStackDatabase }, options: TestStackOptions = {}): Promise<TestStack> {
    const host = await HostAgentDouble.start();
    const config: Config = {
      ...parseConfig({ WARREN_LISTEN: "127.0.0.1:0", WARREN_LOCAL_HOST: host.address }),
      ...database.config,
      ...options.config,
    };
    try {
      const controlPlane = await startControlPlane(config, options.log ?? createLogger("silent"));
      const credentials = JSON.parse(await readFile(join(config.dataDir, "credentials.json"), "utf8"));
      return new TestStack({ controlPlane, host, apiKey: credentials.api_key, config });
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  get url(): string {
    return this.controlPlane.url;
  }

  /** Calls a route with the first team's key. A plain object is sent as JSON. */
  async call(method: string, path: string, body?: object, init: RequestInit = {}): Promise<Response> {
    const plain =
      body !== undefined && !(body instanceof FormData) && !(body instanceof Blob) && !(body instanceof ReadableStream);
    return fetch(`${this.url}${path}`, {
      method,
      ...init,
      headers: {
        "x-api-key": this.apiKey,
        ...(plain && { "content-type": "application/json" }),
        ...(init.headers as Record<string, string>),
      },
      ...(body !== undefined && { body: plain ? JSON.stringify(body) : (body as FormData) }),
    });
  }

  /** Creates a sandbox that must come up. */
  async createSandbox(request: object = {}): Promise<Sandbox> {
    const response = await this.call("POST", "/v1/sandboxes", request);
    if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as Sandbox;
  }

  async close(): Promise<void> {
    await this.controlPlane.close();
    await this.host.close();
  }
}

/** Status and error of an answer, for comparison. */
export async function errorOf(response: Response): Promise<{ status: number; code: string; message: string }> {
  const { error } = (await response.json()) as ErrorBody;
  return { status: response.status, ...error };
}
