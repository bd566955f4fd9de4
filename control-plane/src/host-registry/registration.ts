import { randomBytes } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import type { Heartbeat, RegisterHost } from "@warren/contracts/rest/hosts";
import type { TeamEvents } from "../audit/team-events.ts";
import type { Actor } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import { isUniqueViolation } from "../database/unique-violation.ts";
import type { HostStore } from "../hosts/host-store.ts";
import type { HostMetadata } from "../hosts/hosts-table.ts";
import type { Logger } from "../logging.ts";
import { type HostJwts, invalidHostToken } from "./host-jwt.ts";
import { hashToken, type OneTimeTokens } from "./one-time-tokens.ts";
import type { HostFacts, HostRow, RegistryStore } from "./registry-store.ts";

/** Seconds for which a registration token works. */
const REGISTRATION_SEC = 3600;
/** Seconds for which a refresh token works. */
const REFRESH_SEC = 60 * 24 * 3600;

/** The templates that everybody may use. */
export interface BuiltInTemplates {
  /** Makes those known that are not yet. */
  addBuiltIn(names: string[]): Promise<void>;
}

/** What registration needs. */
export interface RegistrationParts {
  db: Db;
  store: RegistryStore;
  hosts: HostStore;
  tokens: OneTimeTokens;
  jwts: HostJwts;
  templates: BuiltInTemplates;
  audit: TeamEvents;
  log: Logger;
}

/** What a host is given to show who it is. */
export interface Credentials {
  host: HostRow;
  token: string;
  refreshToken: string;
}

/** How hosts come to be known, and show who they are from then on. */
export class Registration {
  readonly #parts: RegistrationParts;

  constructor(parts: RegistrationParts) {
    this.#parts = parts;
  }

  /** Makes a token with which a host can register. What was made before works too, until the host has registered. */
  async issueToken(host: Pick<HostRow, "id" | "team_id">, by: Actor, userId: string | null): Promise<string> {
    const { db, store, tokens, audit } = this.#parts;
    const token = newSecret();
    const id = await transact(db, async (transaction) => {
      await audit.hostTokenIssued(transaction, by, host.id, host.team_id);
      return store.insertToken(host.id, userId, REGISTRATION_SEC, transaction);
    });
    await tokens.put(token, id, REGISTRATION_SEC);
    return token;
  }

  /** Takes up the registration that a token is for; the only time that the token works. */
  async register(request: RegisterHost): Promise<Credentials> {
    const { db, store, tokens, jwts, audit, log } = this.#parts;
    const { address } = request;
    const tokenId = await tokens.take(request.token);
    if (tokenId === undefined) throw invalidRegistrationToken();
    const { facts, metadata } = told(request);
    const refreshToken = newSecret();
    const registered = transact(db, async (transaction) => {
      const hostId = await store.useToken(tokenId, transaction);
      if (hostId === undefined) throw invalidRegistrationToken();
      const host = await store.register(hostId, { address, facts, metadata }, transaction);
      if (!host) throw new WarrenError("conflict", "the host has registered already, or is out of service");
      await store.insertRefresh(hostId, hashToken(refreshToken), REFRESH_SEC, transaction);
      await audit.hostRegistered(transaction, hostId, host.team_id, { address });
      return host;
    });
    const host = await registered.catch((error: unknown) => {
      if (!isUniqueViolation(error)) throw error;
      throw new WarrenError("conflict", `body/address is ${address}, which is another host's`);
    });
    log.info({ host: host.id, address }, "a host has registered");
    await this.#learnTemplates(host.type, metadata);
    return { host, token: await jwts.sign({ hostId: host.id, registration: host.registration }), refreshToken };
  }

  /**
   * New credentials for a refresh token. The new ones are there before the old one ends, so that a crash in between locks no
   * host out; of several who use one at the same moment, one succeeds.
   */
  async refresh(refreshToken: string): Promise<Credentials> {
    const { store, jwts } = this.#parts;
    const row = await store.findRefresh(hashToken(refreshToken));
    const host = row && (await store.find(row.hostId));
    if (!host) throw invalidRefreshToken();
    const next = newSecret();
    const nextId = await store.insertRefresh(host.id, hashToken(next), REFRESH_SEC);
    if (!(await store.revokeRefresh(row.id))) {
      await store.revokeRefresh(nextId);
      throw invalidRefreshToken();
    }
    return { host, token: await jwts.sign({ hostId: host.id, registration: host.registration }), refreshToken: next };
  }

  /** Takes a sign of life of a host, which shows its token and names its id. `hostId` is a UUID. */
  async heartbeat(hostId: string, token: string, heartbeat: Heartbeat): Promise<void> {
    const { store, hosts, jwts, log } = this.#parts;
    const claims = await jwts.verify(token);
    if (claims.hostId !== hostId) throw new WarrenError("forbidden", "the token in X-Host-Token is another host's");
    const { facts, metadata } = told(heartbeat);
    const host = await store.noteHeartbeat(claims, { facts, metadata });
    if (!host) {
      if (await store.find(hostId)) throw invalidHostToken();
      throw new WarrenError("not_found", "the host was deleted");
    }
    if (await hosts.markAlive(host)) log.info({ host: host.id }, "a host is online");
    await this.#learnTemplates(host.type, metadata);
  }

  /** Base images that a host which teams share has are for everybody. */
  async #learnTemplates(type: HostRow["type"], { templates = [] }: HostMetadata): Promise<void> {
    if (type !== "regular") return;
    const names = templates.filter(({ team_id }) => team_id === undefined).map(({ name }) => name);
    await this.#parts.templates.addBuiltIn(names);
  }
}

/** What a host says of itself, as it is stored. */
function told(request: Heartbeat): { facts: HostFacts; metadata: HostMetadata } {
  const { arch, cpu_cores, memory_mb, disk_gb, version, vmm, accelerator, load, templates } = request;
  return {
    facts: present({ arch, cpu_cores, memory_mb, disk_gb }),
    metadata: present({ version, vmm, accelerator, load, templates }),
  };
}

/** The fields of an object that have a value. */
function present<T extends object>(fields: T): { [Field in keyof T]?: Exclude<T[Field], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

/** 256 random bits, in hex. */
function newSecret(): string {
  return randomBytes(32).toString("hex");
}

function invalidRegistrationToken(): WarrenError {
  return new WarrenError(
    "unauthorized",
    "body/token is not valid: it was used, has expired, or was never made; ask for another one",
  );
}

function invalidRefreshToken(): WarrenError {
  return new WarrenError(
    "unauthorized",
    "body/refresh_token is not valid: it was used, has expired, or is of no host; register the host again",
  );
}
