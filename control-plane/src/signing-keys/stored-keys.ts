import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import type { AccountEvents } from "../audit/account-events.ts";
import { type AccessChanges, concernsAll } from "../auth/access-changes.ts";
import { type Actor, OPERATOR, SYSTEM } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import { SIGNING_KEY_SECRET } from "../secrets/sealed-columns.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { SigningKey, SigningKeys } from "./signing-keys.ts";

/** Milliseconds after which a control plane looks whether another one has changed the keys. */
const REREAD_MS = 60_000;
/** Milliseconds between two readings that unknown key names cause, so that forged tokens cost few queries. */
const REREAD_UNKNOWN_MS = 1000;
/** Days after which the next start makes a new key. */
const ROTATE_AFTER_DAYS = 90;
/** Days for which a replaced key verifies: longer than any token lives. */
const KEEP_DAYS = 8;
/** Key of the advisory lock under which keys are made: "keys" in ASCII. */
const ROTATION_LOCK = 0x6b657973;

export interface StoredKeysParts {
  db: Db;
  secrets: Secrets;
  changes: AccessChanges;
  audit: AccountEvents;
}

/** Keys that are kept in the database; the newest signs. */
export class StoredKeys implements SigningKeys {
  readonly #db: Db;
  readonly #secrets: Secrets;
  readonly #changes: AccessChanges;
  readonly #audit: AccountEvents;
  #keys: SigningKey[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  /** What was read before this time does not count any more. */
  #changedAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor({ db, secrets, changes, audit }: StoredKeysParts) {
    this.#db = db;
    this.#secrets = secrets;
    this.#changes = changes;
    this.#audit = audit;
    changes.subscribe((change) => {
      if (concernsAll(change)) this.#changedAt = performance.now();
    });
  }

  /** Makes the first key, or a new one when the newest has become old, and removes those that nothing needs. */
  async prepare(): Promise<void> {
    await this.#replace(SYSTEM, ROTATE_AFTER_DAYS);
  }

  /**
   * Makes a new key, which signs from here on, for the operator. With `revoke` all others are removed, so that no token signed before is
   * valid at any control plane.
   */
  async rotate({ revoke }: { revoke: boolean }): Promise<void> {
    await this.#replace(OPERATOR, 0, revoke ? 0 : KEEP_DAYS);
    if (revoke) this.#changes.announce({});
  }

  async current(): Promise<SigningKey> {
    await this.#refresh(REREAD_MS);
    const [newest] = this.#keys;
    if (!newest) throw new Error("the database has no signing key");
    return newest;
  }

  async find(kid: string): Promise<SigningKey | undefined> {
    await this.#refresh(REREAD_MS);
    const known = this.#keys.find((key) => key.kid === kid);
    if (known) return known;
    await this.#refresh(REREAD_UNKNOWN_MS);
    return this.#keys.find((key) => key.kid === kid);
  }

  async #refresh(maxAgeMs: number): Promise<void> {
    const oldest = performance.now() - maxAgeMs;
    // A reading that was under way at a change may have missed it.
    while (this.#readAt <= oldest || this.#readAt <= this.#changedAt) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined;
      });
      await this.#reading;
    }
  }

  async #read(): Promise<void> {
    const readAt = performance.now();
    const rows = await this.#db
      .selectFrom("signing_keys")
      .select(["kid", "secret"])
      .orderBy("created_at", "desc")
      .orderBy("kid")
      .execute();
    this.#keys = rows.map(({ kid, secret }) => {
      const text = this.#secrets.open(SIGNING_KEY_SECRET, kid, secret);
      return { kid, secret: new Uint8Array(Buffer.from(text, "base64url")) };
    });
    this.#readAt = readAt;
  }

  /** Makes a key unless there is one younger than `days`, and removes those that were replaced `keepDays` ago. */
  async #replace(by: Actor, days: number, keepDays = KEEP_DAYS): Promise<void> {
    await this.#db.transaction().execute(async (transaction) => {
      await sql`select pg_advisory_xact_lock(${ROTATION_LOCK}::bigint)`.execute(transaction);
      const { rows } = await sql`
        select from signing_keys where created_at > now() - ${days} * interval '1 day'
      `.execute(transaction);
      if (rows.length === 0) {
        const isFirst = !(await transaction.selectFrom("signing_keys").select("kid").executeTakeFirst());
        const kid = randomBytes(8).toString("hex");
        const secret = this.#secrets.seal(SIGNING_KEY_SECRET, kid, randomBytes(32).toString("base64url"));
        await transaction.insertInto("signing_keys").values({ kid, secret }).execute();
        const about = { key: kid, revoked: keepDays === 0 };
        if (!isFirst) await this.#audit.signingKeyRotated(transaction, by, about);
      }
      // A key is replaced when the next one is made.
      await sql`
        delete from signing_keys where kid in (
          select kid from (
            select kid, lead(created_at) over (order by created_at) as replaced_at from signing_keys
          ) as key where replaced_at <= now() - ${keepDays} * interval '1 day'
        )
      `.execute(transaction);
    });
    this.#changedAt = performance.now();
  }
}
