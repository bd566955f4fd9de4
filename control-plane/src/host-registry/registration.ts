import { randomBytes, randomUUID } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import type { Heartbeat, HeldTemplate, HostLoad, RefreshHost, RegisterHost } from "@warren/contracts/rest/hosts";
import type { TeamEvents } from "../audit/team-events.ts";
import type { Actor } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import { isUniqueViolation } from "../database/unique-violation.ts";
import type { Certify, HostAuthority, IssuedCertificate } from "../host-certificates/host-authority.ts";
import { type HostPlace, parseHostAddress, requireForeignPlace } from "../hosts/host-address.ts";
import type { HostAddress } from "../hosts/host-client-pool.ts";
import type { HostReach } from "../hosts/host-reach.ts";
import { type HostStore, isToBeReached, type MonitoredHost } from "../hosts/host-store.ts";
import type { HostMetadata } from "../hosts/hosts-table.ts";
import type { Logger } from "../logging.ts";
import { type HostClaims, type HostJwts, invalidHostToken } from "./host-jwt.ts";
import { hashToken, type OneTimeTokens } from "./one-time-tokens.ts";
import type { HostFacts, HostRow, RegistryStore } from "./registry-store.ts";

/** Seconds for which a registration token works. */
const REGISTRATION_SEC = 3600;
/** Seconds for which a refresh token works. */
const REFRESH_SEC = 60 * 24 * 3600;
/** Seconds for which one that was used works again: its host may have been cut off from the answer, or have lost power. */
const GRACE_SEC = 3600;

/** What becomes known of templates by what hosts have. */
export interface HeldTemplates {
  /** Makes built-in ones known that are not yet. */
  addBuiltIn(names: string[]): Promise<void>;
  /** Takes up which templates a host has, and has it remove those that are to go. */
  noteHeld(host: HostAddress, held: HeldTemplate[]): Promise<void>;
}

/** What registration needs. */
export interface RegistrationParts {
  db: Db;
  store: RegistryStore;
  hosts: HostStore;
  reach: HostReach;
  tokens: OneTimeTokens;
  jwts: HostJwts;
  authority: HostAuthority;
  /** Whether a user, by UUID, manages the platform's hosts. */
  managesHosts: (userId: string) => Promise<boolean>;
  /** Private networks in which hosts may be that are not of the platform's administrators. */
  networks: readonly string[];
  templates: HeldTemplates;
  audit: TeamEvents;
  log: Logger;
}

/** What a host is given to show who it is. */
export interface Credentials {
  host: HostRow;
  token: string;
  refreshToken: string;
  /** Absent unless it was asked for. */
  issued?: IssuedCertificate | undefined;
}

/** How hosts come to be known, and show who they are from then on. */
export class Registration {
  readonly #parts: RegistrationParts;

  constructor(parts: RegistrationParts) {
    this.#parts = parts;
  }

  /** Makes a token with which a host can register. What was made before works too, until the host has registered. */
  async issueToken(host: Pick<HostRow, "id" | "team_id">, by: Actor, userId: string | null): Promise<string> {
    return (await this.issueTokenFor(async () => host, by, userId)).token;
  }

  /** The same for a host that `find` finds or makes, in the transaction that notes the token: there are both or neither. */
  async issueTokenFor<Host extends Pick<HostRow, "id" | "team_id">>(
    find: (transaction: Db) => Promise<Host>,
    by: Actor,
    userId: string | null,
  ): Promise<{ host: Host; token: string }> {
    const { db, store, tokens, audit } = this.#parts;
    const token = newSecret();
    const id = randomUUID();
    // Nobody is given a token that is in no host's record, and it is worth nothing.
    await tokens.put(token, id, REGISTRATION_SEC);
    const host = await transact(db, async (transaction) => {
      const found = await find(transaction);
      await audit.hostTokenIssued(transaction, by, found.id, found.team_id);
      await store.insertToken({ id, hostId: found.id, createdBy: userId }, REGISTRATION_SEC, transaction);
      return found;
    });
    return { host, token };
  }

  /** Takes up the registration that a token is for; the only time that the token works, unless this fails. */
  async register(request: RegisterHost): Promise<Credentials> {
    const { db, store, tokens, audit, log } = this.#parts;
    const { address } = request;
    const place = parseHostAddress(address);
    const certify = await this.#readRequest(request.csr_pem);
    if (!certify && !("socketPath" in place)) {
      throw new WarrenError("invalid_request", "body/csr_pem must be there with an https address");
    }
    const tokenId = await tokens.take(request.token);
    if (tokenId === undefined) throw invalidRegistrationToken();
    const { facts, metadata } = told(request);
    const refreshToken = newSecret();
    const register = async (transaction: Db) => {
      const hostId = await store.useToken(tokenId, transaction);
      if (hostId === undefined) throw invalidRegistrationToken();
      const isCalled = !("socketPath" in place);
      const host = await store.register(hostId, { address, isCalled, facts, metadata }, transaction);
      if (!host) throw new WarrenError("conflict", "the host is out of service");
      await store.insertRefresh(hostId, hashToken(refreshToken), REFRESH_SEC, transaction);
      await audit.hostRegistered(transaction, hostId, host.team_id, { address });
      return host;
    };
    const registered = this.#checkPlace(tokenId, place).then(() => transact(db, register));
    const host = await registered.catch(async (error: unknown) => {
      // Whoever took the token is the only one to give it back, and its record says when it ends.
      if (!isUnauthorized(error)) await tokens.put(request.token, tokenId, REGISTRATION_SEC);
      if (!isUniqueViolation(error)) throw error;
      throw new WarrenError("conflict", `body/address is ${address}, which is another host's`);
    });
    log.info({ host: host.id, address }, "a host has registered");
    await this.#learnTemplates(host, metadata);
    return this.#credentialsOf(host, refreshToken, certify);
  }

  /**
   * New credentials for a refresh token. It works again for an hour, as long as what was given for it was not used: an answer
   * that is lost locks no host out. What was given for it before ends with that.
   */
  async refresh({ refresh_token: refreshToken, csr_pem }: RefreshHost): Promise<Credentials> {
    const { db, store } = this.#parts;
    const certify = await this.#readRequest(csr_pem);
    const next = newSecret();
    const host = await transact(db, async (transaction) => {
      const known = await store.useRefresh(hashToken(refreshToken), GRACE_SEC, transaction);
      if (known) await store.insertRefresh(known.id, hashToken(next), REFRESH_SEC, transaction);
      return known;
    });
    if (!host) throw invalidRefreshToken();
    return this.#credentialsOf(host, next, certify);
  }

  /** Whoever has a token says where calls to its host go: within the platform's own network that is for the platform to say. */
  async #checkPlace(tokenId: string, place: HostPlace): Promise<void> {
    const { store, managesHosts, networks } = this.#parts;
    const token = await store.findToken(tokenId);
    if (!token) throw invalidRegistrationToken();
    const isOwn = token.type === "regular" || (token.created_by !== null && (await managesHosts(token.created_by)));
    if (!isOwn) requireForeignPlace(place, networks);
  }

  /** What a request for a certificate is answered by; undefined without one. Throws `invalid_request`. */
  async #readRequest(csr: string | undefined): Promise<Certify | undefined> {
    return csr === undefined ? undefined : this.#parts.authority.readRequest(csr);
  }

  async #credentialsOf(host: HostRow, refreshToken: string, certify: Certify | undefined): Promise<Credentials> {
    const claims = { hostId: host.id, registration: host.registration };
    const [token, issued] = await Promise.all([this.#parts.jwts.sign(claims), certify?.(claims)]);
    return { host, token, refreshToken, issued };
  }

  /** Which host a token is of; throws `unauthorized`. That the host is still there is found by what it does. */
  async recognize(token: string): Promise<HostClaims> {
    return this.#parts.jwts.verify(token);
  }

  /**
   * Takes a sign of life of a host, which has shown its token and names its id. `hostId` is a UUID. One that waits or was lost is
   * called where it says that it is; why that fails, or undefined.
   */
  async heartbeat(hostId: string, claims: HostClaims, heartbeat: Heartbeat): Promise<string | undefined> {
    const { store } = this.#parts;
    if (claims.hostId !== hostId) throw new WarrenError("forbidden", "the token in X-Host-Token is another host's");
    const { facts, metadata } = told(heartbeat);
    const host = await store.noteHeartbeat(claims, { facts, metadata });
    if (!host) {
      if (await store.find(hostId)) throw invalidHostToken();
      throw new WarrenError("not_found", "the host was deleted");
    }
    const unreached = isToBeReached(host) ? await this.#bringOnline(host) : undefined;
    await this.#learnTemplates(host, metadata);
    return unreached;
  }

  /** What says that a host is there is its answer; of a socket, which only root can open, its sign of life is enough. */
  async #bringOnline(host: MonitoredHost): Promise<string | undefined> {
    const { hosts, reach, log } = this.#parts;
    const isSocket = "socketPath" in parseHostAddress(host.address);
    const { woken, unreached } = isSocket ? { woken: await hosts.markAlive(host) } : await reach.bringOnline(host);
    if (woken) log.info({ host: host.id }, "a host is online");
    return unreached;
  }

  /** Takes up what a host has. Base images that a host which teams share has are for everybody. */
  async #learnTemplates(
    { id, address, registration, type }: HostAddress & Pick<HostRow, "type">,
    { templates: held }: HostMetadata,
  ): Promise<void> {
    if (held === undefined) return;
    const { templates } = this.#parts;
    const builtIn = held.filter(({ team_id }) => team_id === undefined).map(({ name }) => name);
    if (type === "regular") await templates.addBuiltIn(builtIn);
    await templates.noteHeld({ id, address, registration }, held);
  }
}

/** What a host says of itself, as it is stored: what is known here of it. */
function told(request: Heartbeat): { facts: HostFacts; metadata: HostMetadata } {
  const { arch, cpu_cores, memory_mb, disk_gb, version, vmm, accelerator, emulation_reason } = request;
  const load = request.load && knownLoad(request.load);
  const templates = request.templates?.map(({ team_id, name, snapshot_id }) => ({
    ...(team_id !== undefined && { team_id }),
    name,
    ...(snapshot_id !== undefined && { snapshot_id }),
  }));
  return {
    facts: present({ arch, cpu_cores, memory_mb, disk_gb }),
    metadata: present({ version, vmm, accelerator, emulation_reason, load, templates }),
  };
}

function knownLoad(load: HostLoad): HostLoad {
  const { running, paused, sandboxes_limit, memory_mb_taken, memory_mb_limit, disk_mb_left, cpu_load } = load;
  return { running, paused, sandboxes_limit, memory_mb_taken, memory_mb_limit, disk_mb_left, cpu_load };
}

/** The fields of an object that have a value. */
function present<T extends object>(fields: T): { [Field in keyof T]?: Exclude<T[Field], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

function isUnauthorized(error: unknown): boolean {
  return error instanceof WarrenError && error.code === "unauthorized";
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
