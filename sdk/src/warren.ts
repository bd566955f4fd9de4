import { WarrenError } from "@warren/contracts/errors";
import type { Family } from "@warren/contracts/rest/family";
import type { Health } from "@warren/contracts/rest/health";
import type { MetricSeries, TeamMetrics } from "@warren/contracts/rest/metrics";
import type {
  CreateSandbox,
  Sandbox as SandboxFields,
  SandboxPage,
  SandboxStatus,
} from "@warren/contracts/rest/sandboxes";
import type { SandboxStats, StatsRange } from "@warren/contracts/rest/stats";
import { Account } from "./account.ts";
import { Administration } from "./administration.ts";
import { AuditLogs } from "./audit-logs.ts";
import { type EventsOptions, followEvents, type StreamedEvent } from "./event-stream.ts";
import { Hosts } from "./hosts.ts";
import { Sandbox } from "./sandbox.ts";
import { SignIn } from "./sign-in.ts";
import { Templates } from "./templates.ts";
import { Transport, type TransportOptions } from "./transport.ts";
import { Usage } from "./usage.ts";
import { Webhooks } from "./webhooks.ts";

/** What a sandbox is made with; what is left out has the server's default. */
export interface CreateOptions {
  /** Template to start from; default: the base image. */
  template?: string;
  /** Name, of which the team's live sandboxes have each another. */
  name?: string;
  /** Texts by key, kept with the sandbox; `list` finds by them. */
  metadata?: Record<string, string>;
  vcpus?: number;
  /** MiB. */
  memoryMb?: number;
  /** Tags that its host must have, all of them. */
  hostTags?: readonly string[];
  /** Seconds of inactivity before `onTimeout` happens; 0 = never. */
  timeoutSec?: number;
  /** What inactivity leads to; default: "pause". */
  onTimeout?: "pause" | "destroy";
  /** A call that needs the sandbox resumes it when it is paused. */
  autoResume?: boolean;
  /** Seconds after which the sandbox ends, unless `update` renews its lease; default: no lease. */
  leaseSec?: number;
  /** Environment of every process started in the sandbox. */
  env?: Record<string, string>;
  signal?: AbortSignal;
}

/** Which sandboxes a list shows. */
export interface ListOptions {
  /** States, those of sandboxes that are ended included; default: all others. */
  status?: readonly SandboxStatus[];
  /** Template that they were started from. */
  template?: string;
  /** Text that is somewhere in their id or name, in capitals or not. */
  search?: string;
  name?: string;
  /** Entries that their metadata must have. */
  metadata?: Record<string, string>;
  /** Those that are ended, in place of the others. */
  ended?: boolean;
  signal?: AbortSignal;
}

/** What a family tree tells of besides what is there, and what that came of. */
export interface FamilyOptions {
  /** The newest sandboxes and templates that are over. */
  ended?: boolean;
  /** Id of a sandbox that is to be in it, though it is over. */
  sandbox?: string;
  signal?: AbortSignal;
}

/** Sandboxes that `each` asks for at a time. */
const PAGE_SIZE = 100;

/**
 * A Warren server.
 *
 * ```ts
 * const warren = new Warren({ url: "http://127.0.0.1:3000", apiKey: "warren_…" });
 * const sandbox = await warren.sandboxes.create({ memoryMb: 512 });
 * const { stdout } = await sandbox.exec("python3", ["-c", "print('hello')"]);
 * await sandbox.destroy();
 * ```
 */
export class Warren {
  readonly sandboxes: Sandboxes;
  readonly templates: Templates;
  /** For people: the machines that run sandboxes. */
  readonly hosts: Hosts;
  /** For people: how they come to a session, and their account. */
  readonly signIn: SignIn;
  readonly account: Account;
  /** For people: what happened in the team of their session. */
  readonly auditLogs: AuditLogs;
  /** For people: where the server sends what changes in the team of their session. */
  readonly webhooks: Webhooks;
  /** For administrators of the platform. */
  readonly administration: Administration;
  readonly usage: Usage;
  readonly #transport: Transport;

  constructor(options: TransportOptions) {
    this.#transport = new Transport(options);
    this.sandboxes = new Sandboxes(this.#transport);
    this.templates = new Templates(this.#transport);
    this.hosts = new Hosts(this.#transport);
    this.signIn = new SignIn(this.#transport);
    this.account = new Account(this.#transport);
    this.auditLogs = new AuditLogs(this.#transport);
    this.webhooks = new Webhooks(this.#transport);
    this.administration = new Administration(this.#transport);
    this.usage = new Usage(this.#transport);
  }

  /** Whether the server answers, and its version. */
  health(signal?: AbortSignal): Promise<Health> {
    return this.#transport.json({ method: "GET", path: "/health", safe: true, signal });
  }

  /** What came of what in the team: templates, sandboxes started from them, copies and templates of those. */
  family(options: FamilyOptions = {}): Promise<Family> {
    const { ended, sandbox, signal } = options;
    const query = new URLSearchParams({ ...(ended && { ended: "true" }), ...(sandbox && { sandbox_id: sandbox }) });
    const path = `/v1/family${query.size > 0 ? `?${query}` : ""}`;
    return this.#transport.json({ method: "GET", path, safe: true, signal });
  }

  /** What changes in the team, as it happens: an endless stream that goes on by itself when a connection breaks. */
  events(options: EventsOptions = {}): AsyncGenerator<StreamedEvent, void, undefined> {
    return followEvents(this.#transport, options);
  }

  /** Closes the connections; calls that are under way end with an error. */
  close(): void {
    this.#transport.close();
  }
}

/** The sandboxes of the caller's team. */
export class Sandboxes {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Makes a sandbox and resolves once commands can run in it. */
  async create(options: CreateOptions = {}): Promise<Sandbox> {
    const { template, name, metadata, vcpus, memoryMb, hostTags, timeoutSec, onTimeout, autoResume, leaseSec, env } =
      options;
    const { signal } = options;
    const json: CreateSandbox = {
      ...(template === undefined ? {} : { template }),
      ...(name === undefined ? {} : { name }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(vcpus === undefined ? {} : { vcpus }),
      ...(memoryMb === undefined ? {} : { memory_mb: memoryMb }),
      ...(hostTags === undefined ? {} : { host_tags: [...hostTags] }),
      ...(timeoutSec === undefined ? {} : { timeout_sec: timeoutSec }),
      ...(onTimeout === undefined ? {} : { on_timeout: onTimeout }),
      ...(autoResume === undefined ? {} : { auto_resume: autoResume }),
      ...(leaseSec === undefined ? {} : { lease_sec: leaseSec }),
      ...(env === undefined ? {} : { env }),
    };
    const fields = await this.#transport.json<SandboxFields>({ method: "POST", path: "/v1/sandboxes", json, signal });
    return new Sandbox(this.#transport, fields);
  }

  /**
   * Those that are not ended, unless they are asked for, and have what `options` names, newest first. Of those that are ended
   * the newest hundred: `each` has all.
   */
  async list(options: ListOptions = {}): Promise<Sandbox[]> {
    const all = await this.#list<SandboxFields[]>(queryOf(options), options.signal);
    return all.map((fields) => new Sandbox(this.#transport, fields));
  }

  /**
   * The same, however many, asked for as they are taken: none comes twice, and none is left out that is there all the while,
   * whatever is created and ends meanwhile.
   */
  async *each(options: ListOptions = {}): AsyncGenerator<Sandbox, void> {
    const query = queryOf(options);
    query.set("limit", String(PAGE_SIZE));
    for (let next: string | undefined = ""; next !== undefined; ) {
      if (next !== "") query.set("cursor", next);
      const page: SandboxPage = await this.#list(query, options.signal);
      for (const fields of page.items) yield new Sandbox(this.#transport, fields);
      next = page.next_cursor;
    }
  }

  /** The one of this name; throws `not_found`. */
  async byName(name: string, signal?: AbortSignal): Promise<Sandbox> {
    const [sandbox] = await this.list({ name, ...(signal ? { signal } : {}) });
    if (!sandbox) throw new WarrenError("not_found", `There is no such sandbox: ${name}`);
    return sandbox;
  }

  /** What each of them used over a part of the past, which ends now, by their ids. */
  async metrics(range: StatsRange = "5m", signal?: AbortSignal): Promise<Map<string, MetricSeries>> {
    const path = `/v1/sandboxes/metrics?range=${range}`;
    const { sandboxes } = await this.#transport.json<TeamMetrics>({ method: "GET", path, safe: true, signal });
    return new Map(sandboxes.map(({ sandbox_id: id, series }) => [id, series]));
  }

  /** The one with this id; throws `not_found`. */
  async get(id: string, signal?: AbortSignal): Promise<Sandbox> {
    const path = `/v1/sandboxes/${encodeURIComponent(id)}`;
    return new Sandbox(this.#transport, await this.#transport.json({ method: "GET", path, safe: true, signal }));
  }

  /** What all of them take and took over a range of time; default: the last hour. */
  stats(range: StatsRange = "1h", signal?: AbortSignal): Promise<SandboxStats> {
    return this.#transport.json({ method: "GET", path: `/v1/sandboxes/stats?range=${range}`, safe: true, signal });
  }

  #list<T>(query: URLSearchParams, signal: AbortSignal | undefined): Promise<T> {
    const path = `/v1/sandboxes${query.size > 0 ? `?${query}` : ""}`;
    return this.#transport.json({ method: "GET", path, safe: true, signal });
  }
}

function queryOf({ status, template, search, name, metadata = {}, ended }: ListOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (status) query.set("status", status.join(","));
  if (template !== undefined) query.set("template", template);
  if (search !== undefined) query.set("q", search);
  if (name !== undefined) query.set("name", name);
  for (const [key, value] of Object.entries(metadata)) query.append("metadata", `${key}=${value}`);
  if (ended) query.set("ended", "true");
  return query;
}
