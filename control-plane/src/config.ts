import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { WarrenError } from "@warren/contracts/errors";
import type { QuotaAmounts } from "@warren/contracts/rest/quotas";
import { type ListenAddress, parseListenAddress } from "@warren/server/listen-address";
import {
  type MetricsSettings,
  metricsSettings,
  parseMetricsAddress,
  parseMetricsToken,
} from "@warren/server/metrics-settings";
import { parseAllowedNetworks, parseNetworks } from "./addresses/address-policy.ts";
import { PLACEMENT_ORDERS, type PlacementOrder } from "./hosts/placement-query.ts";
import { type AllowedHost, parseHost } from "./http/host-check.ts";
import { TRANSFER_LIMITS, type TransferLimits } from "./http/slow-clients/transfer-limits.ts";
import { LOG_LEVELS, type LogLevel } from "./logging.ts";
import { readSmtpSettings, type SmtpSettings } from "./mail/smtp-settings.ts";
import { type OAuthSettings, readOAuthSettings } from "./oauth/oauth-settings.ts";
import { DEFAULT_QUOTA, parseTeamQuota } from "./quotas/quota-settings.ts";
import { SecretKeys } from "./secrets/secret-keys.ts";

/** Settings of one control plane process. */
export interface Config {
  listen: ListenAddress;
  /** Address under which clients reach the server, without a slash at the end; absent = the listen address. */
  publicUrl?: string;
  /** Directory of the embedded database and of credentials.json. */
  dataDir: string;
  /** Directory of what can be made again, which several data directories may share. */
  cacheDir: string;
  /** PostgreSQL server; absent = embedded database. */
  databaseUrl?: string;
  /** Redis server of registration tokens; absent = they are in the database. */
  redisUrl?: string;
  /** Host agent of this machine, `unix:PATH`. */
  localHost?: string;
  /** Which host a new sandbox goes to first. */
  scheduler: PlacementOrder;
  /** Origins other than the server's own whose pages may use it. */
  allowedOrigins: string[];
  /** Addresses and networks that are not public and that webhooks may reach all the same. */
  webhookTargets: string[];
  /** Names under which the server is reached, besides loopback names, the listen address and that of `publicUrl`. */
  allowedHosts: AllowedHost[];
  /** Addresses and networks of proxies whose word about a client's address is taken. */
  trustedProxies: string[];
  /** Private networks in which the hosts that teams bring may be, besides public addresses. */
  hostNetworks: string[];
  /** How slow clients may be. */
  transfers: TransferLimits;
  /** Whether anybody may make an account. */
  signUpOpen: boolean;
  /** Secrets of session tokens, the one that signs first; empty = keys that are kept in the database. */
  jwtSecrets: string[];
  /** Keys that seal secrets in the database; absent = those of the file. */
  secretKeys?: SecretKeys;
  /** File of these keys; absent = `secret.key` in the data directory. */
  secretKeyFile?: string;
  /** Give up what is sealed with keys that are not there. */
  secretKeyLost: boolean;
  /** Directory of the builds of the dashboard; absent = no pages are served. */
  dashboardDir?: string;
  /** Multiplies all rate limits. */
  rateLimitFactor: number;
  /** What a team may use unless its own quota says otherwise. */
  teamQuota: QuotaAmounts;
  /** Hours for which events are kept, so that a stream can go on where it broke off. */
  eventRetentionHours: number;
  /** Days for which events of the audit log are kept; absent = for ever. */
  auditRetentionDays?: number;
  /** Days for which sandboxes that are over and templates that are gone are known; absent = for ever. */
  endedRetentionDays?: number;
  /** Whether hosts are to end sandboxes of which this database has never known. */
  endUnknownSandboxes: boolean;
  oauth: OAuthSettings;
  /** Where mails go; absent = none are sent. */
  smtp?: SmtpSettings;
  /** Whether only users whose address is verified may be added to teams. */
  verifiedMembersOnly: boolean;
  /** Account that is made as an administrator of the platform while there is none. */
  firstAdmin?: { email: string; password: string };
  logLevel: LogLevel;
  /** Who may read the server's metrics, and where; absent = nobody. */
  metrics?: MetricsSettings;
  /** Descriptor that takes one line of JSON when the server is ready or cannot start. */
  readyFd?: number;
  /** Shut down when standard input ends. */
  exitWithParent: boolean;
  /** What this server keeps need not outlive it: the embedded database does not wait for the disk. */
  ephemeral: boolean;
  /** Milliseconds between two times that hosts are asked what their sandboxes use. */
  metricsIntervalMs: number;
}

const DEFAULT_EVENT_RETENTION_HOURS = 24;

/** Days for which events of the audit log are kept unless the settings say otherwise. */
const DEFAULT_AUDIT_RETENTION_DAYS = 365;

/** The same of what is gone, and the least that may be set: what sandboxes used is told of longer than 100 days. */
const DEFAULT_ENDED_RETENTION_DAYS = 365;
const LEAST_ENDED_RETENTION_DAYS = 120;

type Environment = Record<string, string | undefined>;

/** Reads one setting; a parser that throws makes the setting a reported problem. */
type Read = <T>(name: string, parse: (text: string) => T) => T | undefined;

/** Variables of the file `.env` of a directory under those of the process, which win. */
export function readEnvironment(directory: string, environment: Environment): Environment {
  let file: string;
  try {
    file = readFileSync(resolve(directory, ".env"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return environment;
    throw error;
  }
  return { ...parseEnv(file), ...environment };
}

/** The readiness descriptor of an environment, also when other settings are not valid. */
export function readReadyFd(environment: Environment): number | undefined {
  const text = environment.WARREN_READY_FD?.trim() ?? "";
  return /^\d{1,4}$/.test(text) ? Number(text) : undefined;
}

/** Checks all settings at once; throws `invalid_request` with one line per bad one. */
export function parseConfig(environment: Environment): Config {
  const problems: string[] = [];
  const read: Read = (name, parse) => {
    const text = environment[name]?.trim();
    if (!text) return undefined;
    try {
      return parse(text);
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const publicUrl = read("CP_PUBLIC_URL", parsePublicUrl);
  const oauth = readOAuthSettings(read, publicUrl, problems);
  const smtp = readSmtpSettings(read, publicUrl, problems);
  const canVerify = smtp !== undefined || oauth.github !== undefined || oauth.oidc !== undefined;
  const dataDir = read("WARREN_DATA_DIR", (text) => resolve(text)) ?? "/var/lib/warren";
  const config: Config = {
    listen: read("WARREN_LISTEN", parseListenAddress) ?? { host: "127.0.0.1", port: 3000 },
    dataDir,
    cacheDir: read("WARREN_CACHE_DIR", (text) => resolve(text)) ?? join(dataDir, "cache"),
    allowedOrigins: read("WARREN_ALLOWED_ORIGINS", parseOrigins) ?? [],
    allowedHosts: read("WARREN_ALLOWED_HOSTS", parseHosts) ?? [],
    webhookTargets: read("WARREN_WEBHOOK_ALLOW_PRIVATE", parseAllowedNetworks) ?? [],
    trustedProxies: read("WARREN_TRUSTED_PROXIES", parseNetworks) ?? [],
    hostNetworks: read("WARREN_HOST_NETWORKS", parseNetworks) ?? [],
    transfers: TRANSFER_LIMITS,
    scheduler: read("WARREN_SCHEDULER", parsePlacementOrder) ?? "least-loaded",
    signUpOpen: read("WARREN_SIGN_UP", parseSignUp) ?? true,
    jwtSecrets: readSecrets(read, problems),
    secretKeyLost: read("WARREN_SECRET_KEY_LOST", parseFlag) ?? false,
    rateLimitFactor: read("WARREN_RATE_LIMIT_FACTOR", parseFactor) ?? 1,
    teamQuota: read("WARREN_TEAM_QUOTA", parseTeamQuota) ?? DEFAULT_QUOTA,
    eventRetentionHours: read("WARREN_EVENT_RETENTION_HOURS", parseHours) ?? DEFAULT_EVENT_RETENTION_HOURS,
    ...optional(
      "auditRetentionDays",
      readRetention(read, "WARREN_AUDIT_RETENTION_DAYS", { fallback: DEFAULT_AUDIT_RETENTION_DAYS, least: 1 }),
    ),
    ...optional(
      "endedRetentionDays",
      readRetention(read, "WARREN_ENDED_RETENTION_DAYS", {
        fallback: DEFAULT_ENDED_RETENTION_DAYS,
        least: LEAST_ENDED_RETENTION_DAYS,
      }),
    ),
    oauth,
    verifiedMembersOnly: read("WARREN_ADD_MEMBERS", parseAddMembers) ?? canVerify,
    ...optional("smtp", smtp),
    ...optional("metrics", readMetrics(read, problems)),
    logLevel: read("WARREN_LOG_LEVEL", parseLogLevel) ?? "info",
    exitWithParent: read("WARREN_EXIT_WITH_PARENT", parseFlag) ?? false,
    ephemeral: read("WARREN_EPHEMERAL", parseFlag) ?? false,
    endUnknownSandboxes: read("WARREN_END_UNKNOWN_SANDBOXES", parseFlag) ?? false,
    ...optional(
      "dashboardDir",
      read("WARREN_DASHBOARD_DIR", (text) => resolve(text)),
    ),
    metricsIntervalMs: read("WARREN_METRICS_INTERVAL_SEC", parseInterval) ?? 10_000,
    ...optional("publicUrl", publicUrl),
    ...optional("firstAdmin", readFirstAdmin(read, problems)),
    ...optional("secretKeys", read("WARREN_SECRET_KEYS", SecretKeys.parse)),
    ...optional(
      "secretKeyFile",
      read("WARREN_SECRET_KEY_FILE", (text) => resolve(text)),
    ),
    ...optional("databaseUrl", read("DATABASE_URL", parseDatabaseUrl)),
    ...optional("redisUrl", read("REDIS_URL", parseRedisUrl)),
    ...optional("localHost", read("WARREN_LOCAL_HOST", parseLocalHost)),
    ...optional("readyFd", read("WARREN_READY_FD", parseDescriptor)),
  };
  if (problems.length > 0)
    throw new WarrenError("invalid_request", `the settings are not valid\n${problems.join("\n")}`);
  return config;
}

function optional<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: T });
}

/** Seconds as milliseconds. */
function parseInterval(text: string): number {
  const seconds = Number(text);
  if (seconds >= 0.1 && seconds <= 3600) return seconds * 1000;
  throw new Error(`"${text}" is not a number of seconds from 0.1 to 3600`);
}

function parsePublicUrl(text: string): string {
  const url = parseUrl(text, ["http:", "https:"]);
  if (url.search || url.hash || url.username) throw new Error(`"${text}" must have no query, fragment or user`);
  return url.href.replace(/\/+$/, "");
}

function parseDatabaseUrl(text: string): string {
  if (!/^postgres(ql)?:\/\//.test(text)) throw new Error("must start with postgres:// or postgresql://");
  return text;
}

function parseRedisUrl(text: string): string {
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) throw new Error("must start with redis:// or rediss://");
  return text;
}

/** Checks the address of the host agent of this machine: `unix:PATH` with an absolute path. */
function parseLocalHost(text: string): string {
  if (text.startsWith("unix:/")) return text;
  throw new Error(`"${text}" must be unix:PATH with an absolute path, such as unix:/run/agent.sock`);
}

function parseOrigins(text: string): string[] {
  return text.split(",").map((origin) => parseUrl(origin.trim(), ["http:", "https:"]).origin);
}

function parseHosts(text: string): AllowedHost[] {
  return text.split(",").map((part) => {
    const host = parseHost(part.trim());
    if (!host) throw new Error(`"${part.trim()}" is not a host, such as warren.example.org or 192.0.2.7:3000`);
    return host;
  });
}

function parsePlacementOrder(text: string): PlacementOrder {
  const order = PLACEMENT_ORDERS.find((name) => name === text);
  if (order) return order;
  throw new Error(`"${text}" is none of ${PLACEMENT_ORDERS.join(", ")}`);
}

function parseSignUp(text: string): boolean {
  if (text === "open") return true;
  if (text === "closed") return false;
  throw new Error(`"${text}" is neither open nor closed`);
}

function parseAddMembers(text: string): boolean {
  if (text === "verified") return true;
  if (text === "any") return false;
  throw new Error(`"${text}" is neither verified nor any`);
}

function parseFactor(text: string): number {
  const factor = Number(text);
  if (!(factor >= 1 && factor <= 1_000_000)) throw new Error(`"${text}" is not a number from 1 to 1000000`);
  return factor;
}

function parseHours(text: string): number {
  const hours = Number(text);
  if (!(Number.isInteger(hours) && hours >= 1 && hours <= 720)) {
    throw new Error(`"${text}" is not a whole number from 1 to 720`);
  }
  return hours;
}

function readSecrets(read: Read, problems: string[]): string[] {
  const current = read("JWT_SECRET", parseSecret);
  const previous = read("JWT_SECRET_PREVIOUS", parseSecret);
  if (current === undefined && previous !== undefined) problems.push("JWT_SECRET_PREVIOUS: needs JWT_SECRET");
  return [current, previous].filter((secret) => secret !== undefined);
}

function parseSecret(text: string): string {
  if (text.length < 32) throw new Error("must have at least 32 characters; make one with openssl rand -hex 32");
  return text;
}

function readMetrics(read: Read, problems: string[]): MetricsSettings | undefined {
  const token = read("WARREN_METRICS_TOKEN", parseMetricsToken);
  const listen = read("WARREN_METRICS_LISTEN", parseMetricsAddress);
  try {
    return metricsSettings(token, listen);
  } catch (error) {
    problems.push(`WARREN_METRICS_LISTEN: ${(error as Error).message}`);
    return undefined;
  }
}

function readFirstAdmin(read: Read, problems: string[]): Config["firstAdmin"] {
  const email = read("WARREN_ADMIN_EMAIL", (text) => text);
  const password = read("WARREN_ADMIN_PASSWORD", (text) => text);
  if (email !== undefined && password !== undefined) return { email, password };
  if (email !== undefined || password !== undefined) {
    problems.push("WARREN_ADMIN_EMAIL and WARREN_ADMIN_PASSWORD: both are needed, or neither");
  }
  return undefined;
}

/** Days; undefined for ever. */
function readRetention(
  read: Read,
  name: string,
  { fallback, least }: { fallback: number; least: number },
): number | undefined {
  const days = read(name, (text) => {
    if (text === "forever") return text;
    if (/^\d{1,5}$/.test(text) && Number(text) >= least) return Number(text);
    throw new Error(`"${text}" is neither a number of days from ${least} to 99999 nor forever`);
  });
  return days === "forever" ? undefined : (days ?? fallback);
}

function parseLogLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text);
  if (!level) throw new Error(`"${text}" is none of ${LOG_LEVELS.join(", ")}`);
  return level;
}

function parseFlag(text: string): boolean {
  if (text === "1" || text === "true") return true;
  if (text === "0" || text === "false") return false;
  throw new Error(`"${text}" is neither 1 nor 0`);
}

function parseDescriptor(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new Error(`"${text}" is not a file descriptor`);
  return Number(text);
}

function parseUrl(text: string, protocols: string[]): URL {
  const url = URL.parse(text);
  if (!url || !protocols.includes(url.protocol)) {
    throw new Error(`"${text}" is not a URL that starts with ${protocols.map((p) => `${p}//`).join(" or ")}`);
  }
  return url;
}
