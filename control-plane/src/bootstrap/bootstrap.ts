import { sql } from "kysely";
import { generateApiKey } from "../api-keys/api-key.ts";
import type { ApiKeyStore } from "../api-keys/api-key-store.ts";
import type { Db } from "../database/tables.ts";
import type { Logger } from "../logging.ts";
import type { TeamStore } from "../teams/team-store.ts";
import type { CredentialsFile } from "./credentials-file.ts";

/** Key of the advisory lock under which a first team is made: "boot" in ASCII. */
const BOOTSTRAP_LOCK = 0x626f6f74;

/** Makes an empty database usable: one team and one API key, which is left in credentials.json. */
export class Bootstrap {
  readonly #db: Db;
  readonly #teams: TeamStore;
  readonly #apiKeys: ApiKeyStore;
  readonly #file: CredentialsFile;
  readonly #log: Logger;

  constructor(parts: { db: Db; teams: TeamStore; apiKeys: ApiKeyStore; file: CredentialsFile; log: Logger }) {
    this.#db = parts.db;
    this.#teams = parts.teams;
    this.#apiKeys = parts.apiKeys;
    this.#file = parts.file;
    this.#log = parts.log;
  }

  /**
   * Makes the first team and key unless there is a team, and notes the server's address beside the key. The file is
   * written before the database, so that a crash in between loses no key: the next start takes the key from the file.
   */
  async run(url: string): Promise<void> {
    const kept = await this.#file.readApiKey();
    if (kept !== undefined) await this.#file.write({ url, api_key: kept });
    await this.#db.transaction().execute(async (transaction) => {
      await sql`select pg_advisory_xact_lock(${BOOTSTRAP_LOCK}::bigint)`.execute(transaction);
      if (!(await this.#teams.isEmpty(transaction))) return;
      const apiKey = kept ?? generateApiKey();
      if (kept === undefined) await this.#file.write({ url, api_key: apiKey });
      const teamId = await this.#teams.insert("Default", transaction);
      await this.#apiKeys.insert({ teamId, name: "Bootstrap", key: apiKey }, transaction);
      this.#log.info({ file: this.#file.path }, "made the first team and its API key");
    });
  }
}
