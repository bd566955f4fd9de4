import { randomBytes } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { CERTIFICATE_NAMES } from "@warren/contracts/host-certificates";
import { sql } from "kysely";
import type { Db } from "../database/tables.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import { HOST_AUTHORITY_KEY } from "../secrets/sealed-columns.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { Signer } from "./certificates.ts";

const HOUR_MS = 3_600_000;
/** How long a certificate of a host lasts; its host renews it when half of that is over. */
const HOST_MS = 7 * 24 * HOUR_MS;
/** How long a certificate of this control plane lasts, and after how long it has a new one. */
const CLIENT_MS = 24 * HOUR_MS;
const CLIENT_RENEWED_MS = 12 * HOUR_MS;
/** Key of the advisory lock under which the authority is made: "cert" in ASCII. */
const MAKING_LOCK = 0x63657274;

/** A certificate that was issued, and that of its authority; PEM. */
export interface IssuedCertificate {
  certificate: string;
  authority: string;
}

/** Issues a certificate for the key of a request that was checked. `hostId` is a UUID. */
export type Certify = (host: { hostId: string; registration: number }) => Promise<IssuedCertificate>;

/** An authority, and what is loaded with it: what reads certificates is loaded when a host is first reached over a network. */
interface Loaded {
  code: typeof import("./certificates.ts");
  signer: Signer;
  /** PEM. */
  certificate: string;
}

/**
 * The authority of all control planes on one database, which is made when it is first needed. It says which machine is which
 * host, and to hosts who is a control plane.
 */
export class HostAuthority {
  readonly #db: Db;
  readonly #secrets: Secrets;
  #loading: Promise<Loaded> | undefined;
  #client: { context: Promise<SecureContext>; madeAt: number } | undefined;

  constructor(db: Db, secrets: Secrets) {
    this.#db = db;
    this.#secrets = secrets;
  }

  /** Checks the request of a host for a certificate; throws `invalid_request`. */
  async readRequest(pem: string): Promise<Certify> {
    const { code, signer, certificate: authority } = await this.#load();
    const publicKey = await code.keyOfRequest(pem);
    return async ({ hostId, registration }) => {
      const name = CERTIFICATE_NAMES.host(toWireId("host", hostId), registration);
      return { certificate: await code.certifyHost(signer, { publicKey, name, lifetimeMs: HOST_MS }), authority };
    };
  }

  /** What this control plane shows hosts, and the authority by which it knows them. Its key is in no file. */
  async secureContext(): Promise<SecureContext> {
    const age = Date.now() - (this.#client?.madeAt ?? Number.NEGATIVE_INFINITY);
    // Clocks are set back, too.
    if (!this.#client || age > CLIENT_RENEWED_MS || age < 0) {
      const client = { context: this.#makeContext(), madeAt: Date.now() };
      this.#client = client;
      client.context.catch(() => {
        if (this.#client === client) this.#client = undefined;
      });
    }
    return this.#client.context;
  }

  async #makeContext(): Promise<SecureContext> {
    const { code, signer, certificate: ca } = await this.#load();
    const options = { name: CERTIFICATE_NAMES.controlPlane, lifetimeMs: CLIENT_MS };
    const { key, certificate } = await code.makeClient(signer, options);
    return createSecureContext({ key, cert: certificate, ca, minVersion: "TLSv1.3" });
  }

  #load(): Promise<Loaded> {
    this.#loading ??= this.#open().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #open(): Promise<Loaded> {
    const code = await import("./certificates.ts");
    const row = (await this.#find(this.#db)) ?? (await this.#make(code));
    const key = this.#secrets.open(HOST_AUTHORITY_KEY, row.id, row.private_key);
    const signer = await code.readAuthority({ key, certificate: row.certificate });
    return { code, signer, certificate: row.certificate };
  }

  #find(db: Db) {
    return db.selectFrom("host_authorities").selectAll().orderBy("created_at").limit(1).executeTakeFirst();
  }

  /** Makes one, unless another control plane has done so meanwhile. */
  async #make(code: Loaded["code"]) {
    const id = randomBytes(8).toString("hex");
    const { key, certificate } = await code.makeAuthority(id);
    return this.#db.transaction().execute(async (transaction) => {
      await sql`select pg_advisory_xact_lock(${MAKING_LOCK}::bigint)`.execute(transaction);
      const made = await this.#find(transaction);
      if (made) return made;
      const row = { id, certificate, private_key: this.#secrets.seal(HOST_AUTHORITY_KEY, id, key) };
      return transaction.insertInto("host_authorities").values(row).returningAll().executeTakeFirstOrThrow();
    });
  }
}
