import { randomUUID } from "node:crypto";
import type { WarrenError } from "@warren/contracts/errors";
import type { JoinControlPlaneResponse } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { TeamEvents } from "../audit/team-events.ts";
import { SYSTEM } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { transact } from "../database/transact.ts";
import type { HostClientPool } from "../hosts/host-client-pool.ts";
import { callHost } from "../hosts/rpc-errors.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import type { Logger } from "../logging.ts";
import type { Registration } from "./registration.ts";
import type { HostRow, RegistryStore } from "./registry-store.ts";

/** Milliseconds that the host agent has to register, or to give a sign of life. */
const JOIN_TIMEOUT_MS = 10_000;

/** What a host of this machine needs. */
export interface LocalHostParts {
  db: Db;
  store: RegistryStore;
  registration: Registration;
  hostClients: HostClientPool;
  audit: TeamEvents;
  log: Logger;
}

/**
 * The host agent of this machine, which is known by configuration and may start before or after the control plane. The
 * control plane tells it over its socket where to register and hands it the token; all else is as for any host.
 */
export class LocalHost {
  readonly #parts: LocalHostParts;
  readonly #address: string;
  #url: string | undefined;
  #joined = false;
  /** A registration token that was made and, as far as is known, not used. */
  #token: string | undefined;
  #joining: Promise<void> | undefined;

  private constructor(address: string, parts: LocalHostParts) {
    this.#address = address;
    this.#parts = parts;
  }

  /** Makes the host known, so that it is visited; it joins once there is an address to join at. */
  static async makeKnown(address: string, parts: LocalHostParts): Promise<LocalHost> {
    const local = new LocalHost(address, parts);
    await local.#row();
    return local;
  }

  /** Takes requests of the host at an address from now on, and has it join. Never rejects. */
  async joinAt(url: string): Promise<void> {
    this.#url = url;
    await this.join();
  }

  /** Has the host take up its registration, or its heartbeats, unless it has. Never rejects. */
  async join(): Promise<void> {
    if (this.#joined || this.#url === undefined) return;
    this.#joining ??= this.#join().finally(() => {
      this.#joining = undefined;
    });
    await this.#joining;
  }

  /**
   * A host agent answers; one that does so anew may not know where to give signs of life, or may have lost its credentials.
   * Never rejects.
   */
  async answers(address: string, isNew: boolean): Promise<void> {
    if (address !== this.#address) return;
    if (isNew) this.#joined = false;
    await this.join();
  }

  async #join(): Promise<void> {
    const { registration, log } = this.#parts;
    try {
      const host = await this.#row();
      const known = host.status !== "pending" && (await this.#ask(host)).joined;
      if (!known) {
        // One token until it works or is refused: a host that cannot register is asked again and again.
        this.#token ??= await registration.issueToken(host, SYSTEM, null);
        await this.#ask(host, this.#token);
      }
      this.#token = undefined;
      this.#joined = true;
    } catch (error) {
      const { message: reason, code } = error as Partial<WarrenError>;
      if (code === "unauthorized") this.#token = undefined;
      log.info({ reason, address: this.#address }, "the host agent of this machine has not registered yet");
    }
  }

  #ask(host: HostRow, token = ""): Promise<JoinControlPlaneResponse> {
    const request = { controlPlaneUrl: this.#url!, hostId: toWireId("host", host.id), token };
    const agent = this.#parts.hostClients.agentOf(host);
    return callHost(() => agent.joinControlPlane(request, { timeoutMs: JOIN_TIMEOUT_MS }));
  }

  /** The row of the host, which is made where there is none. */
  async #row(): Promise<HostRow> {
    const { db, store, audit } = this.#parts;
    const known = await store.findByAddress(this.#address);
    if (known) return known;
    const made = transact(db, async (transaction) => {
      const row = { id: randomUUID(), type: "regular", provider: "local", address: this.#address } as const;
      const host = await store.insert({ ...row, team_id: null, created_by: null }, transaction);
      await audit.hostCreated(transaction, SYSTEM, host.id, null, { provider: "local", address: this.#address });
      return host;
    });
    // Another control plane may have been faster.
    return made.catch(async (error: unknown) => {
      const other = await store.findByAddress(this.#address);
      if (other) return other;
      throw error;
    });
  }
}
