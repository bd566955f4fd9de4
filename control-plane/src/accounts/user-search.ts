import { WarrenError } from "@warren/contracts/errors";
import { LIMITS } from "@warren/contracts/limits";
import { sql } from "kysely";
import type { SignedInUser } from "../callers/caller.ts";
import type { Db } from "../database/tables.ts";
import type { RateLimiter } from "../rate-limits/rate-limiter.ts";
import { RATES } from "../rate-limits/rates.ts";
import { normalizeEmail } from "../users/email.ts";

/** A user whom a search has found. */
export interface FoundUserRow {
  id: string;
  email: string;
  email_verified: boolean;
}

/**
 * Completes the e-mail address of somebody to be added to a team. It shows nobody whom the caller could not name
 * anyway: people in a team with the caller, people of the e-mail domain that the caller has shown to be in, of whom
 * the whole local part must have been typed, and whoever's address was typed in full.
 */
export class UserSearch {
  readonly #db: Db;
  readonly #limiter: RateLimiter;

  constructor(db: Db, limiter: RateLimiter) {
    this.#db = db;
    this.#limiter = limiter;
  }

  /** At most ten users whose addresses start with `text`, by address; throws `invalid_request` unless it has an @. */
  async find(caller: SignedInUser, text: string): Promise<FoundUserRow[]> {
    const prefix = normalizeEmail(text);
    if (prefix.length < LIMITS.userSearchCharacters || !prefix.includes("@")) {
      throw new WarrenError(
        "invalid_request",
        `querystring/email must have at least ${LIMITS.userSearchCharacters} characters and contain an @`,
      );
    }
    await this.#limiter.take("search users as", caller.userId, RATES.searchUsers.account);
    const domain = caller.email.slice(caller.email.lastIndexOf("@"));
    const { rows } = await sql<FoundUserRow>`
      select id, email, email_verified_at is not null as email_verified from users
      where email like ${`${escapeLike(prefix)}%`} and deactivated_at is null and (
        email = ${prefix}
        or email like ${`%${escapeLike(domain)}`} and exists (
          select from users as caller where caller.id = ${caller.userId} and caller.email_verified_at is not null
        )
        or id in (
          select theirs.user_id from users_teams as theirs
          join users_teams as mine on mine.team_id = theirs.team_id
          join teams as team on team.id = mine.team_id
          where mine.user_id = ${caller.userId} and team.deleted_at is null
        )
      )
      order by email limit ${LIMITS.userSearchResults}
    `.execute(this.#db);
    return rows;
  }
}

/** A text that matches only itself in LIKE. */
function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, "\\$&");
}
