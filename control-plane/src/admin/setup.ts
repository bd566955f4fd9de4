import { hash, randomBytes } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import type { SetUp } from "@warren/contracts/rest/accounts";
import type { SetupLink } from "@warren/contracts/rest/admin";
import { sql } from "kysely";
import type { Db } from "../database/tables.ts";
import type { SessionClient } from "../sessions/session-client.ts";
import type { Session, SignIn } from "../sessions/sign-in.ts";
import type { AdminService } from "./admin-service.ts";
import type { PlatformStore } from "./platform-store.ts";

/** Hours for which a link is valid. */
const VALID_HOURS = 24;

/** What the service needs. */
export interface SetupParts {
  db: Db;
  platform: PlatformStore;
  admins: AdminService;
  signIn: SignIn;
}

/**
 * Makes the first administrator by a link that only the operator of the machine gets to see: whoever merely reaches the
 * server can neither make one nor end the link, as by signing up first. The database keeps a hash of its token.
 */
export class Setup {
  readonly #parts: SetupParts;

  constructor(parts: SetupParts) {
    this.#parts = parts;
  }

  /**
   * A new link, in place of the one before; throws `conflict` once somebody administers the platform. The token is in
   * the fragment, which browsers send to no server. `dashboardUrl` has no slash at the end.
   */
  async createLink(dashboardUrl: string): Promise<SetupLink> {
    const { db, platform } = this.#parts;
    if (await platform.hasAdmin()) {
      throw new WarrenError(
        "conflict",
        "somebody administers this server already; `warren admin create` makes another administrator",
      );
    }
    const token = randomBytes(32).toString("base64url");
    const values = { token_hash: hashOf(token), expires_at: sql<Date>`now() + ${VALID_HOURS} * interval '1 hour'` };
    const { expires_at } = await db
      .insertInto("setup_link")
      .values(values)
      .onConflict((conflict) => conflict.column("only_one").doUpdateSet(values))
      .returning("expires_at")
      .executeTakeFirstOrThrow();
    return { url: `${dashboardUrl}/setup#token=${token}`, expires_at: expires_at.toISOString() };
  }

  /** Makes the first administrator and signs in; throws `link_invalid` unless the token is that of the link. */
  async redeem({ token, ...account }: SetUp, client: SessionClient): Promise<Session> {
    const { db, admins, platform, signIn } = this.#parts;
    const tokenHash = hashOf(token);
    // Before a password is hashed: that work is for whoever has the link.
    const known = await db
      .selectFrom("setup_link")
      .select("only_one")
      .where("token_hash", "=", tokenHash)
      .where("expires_at", ">", sql<Date>`now()`)
      .executeTakeFirst();
    if (!known) throw invalidLink();
    const user = await admins.create(account, async (transaction) => {
      // Of requests at the same moment, at whichever control planes, one finds the row.
      const { numDeletedRows } = await transaction
        .deleteFrom("setup_link")
        .where("token_hash", "=", tokenHash)
        .where("expires_at", ">", sql<Date>`now()`)
        .executeTakeFirstOrThrow();
      if (numDeletedRows === 0n || (await platform.hasAdmin(transaction))) throw invalidLink();
    });
    return signIn.openFor(user, { client, method: "setup_link" });
  }
}

function hashOf(token: string): string {
  return hash("sha256", token);
}

function invalidLink(): WarrenError {
  return new WarrenError(
    "link_invalid",
    "this link is over: it was used, has expired, or was replaced by a newer one; `warren admin link` on the server's " +
      "machine prints another while nobody administers the server",
  );
}
