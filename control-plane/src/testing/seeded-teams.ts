import { randomBytes, randomUUID } from "node:crypto";
import type { TeamRole } from "@warren/contracts/rest/accounts";
import { decodeJwt, decodeProtectedHeader, type JWTHeaderParameters, SignJWT } from "jose";
import pg from "pg";
import { displayedPrefix, generateApiKey, hashApiKey } from "../api-keys/api-key.ts";
import { fromWireId, toWireId } from "../identifiers/wire-id.ts";
import { Person, TEST_SECRET } from "./person.ts";

/** A team with an API key, and its members with sessions in it. */
export interface SeededTeam<Name extends string> {
  id: string;
  members: Record<Name, Person>;
  key: string;
  keyId: string;
}

/** Makes teams in the database of a stack whose tokens tests can forge: hundreds of them would take a minute by requests. */
export class SeededTeams {
  readonly #client: pg.Client;
  readonly #url: string;

  private constructor(client: pg.Client, url: string) {
    this.#client = client;
    this.#url = url;
  }

  /** `url` is the address of the stack. */
  static async open(databaseUrl: string, url: string): Promise<SeededTeams> {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    return new SeededTeams(client, url);
  }

  async create<Name extends string>(people: Record<Name, [Person, TeamRole]>): Promise<SeededTeam<Name>> {
    const [team, keyId, key] = [randomUUID(), randomUUID(), generateApiKey()];
    const slug = randomBytes(6).toString("hex");
    const members = Object.entries(people) as [Name, [Person, TeamRole]][];
    const [, [owner]] = members.find(([, [, role]]) => role === "owner")!;
    await this.#client.query("insert into teams (id, name, slug) values ($1, 'Team of the test', $2)", [
      team,
      `${slug.slice(0, 6)}-${slug.slice(6)}`,
    ]);
    const ids = members.map(([, [person]]) => fromWireId("usr", person.userId));
    const roles = members.map(([, [, role]]) => role);
    await this.#client.query(
      "insert into users_teams (team_id, user_id, role) select $1, * from unnest($2::uuid[], $3::text[])",
      [team, ids, roles],
    );
    await this.#client.query(
      "insert into team_api_keys (id, team_id, name, key_hash, key_prefix, created_by) values ($1, $2, 'key', $3, $4, $5)",
      [keyId, team, hashApiKey(key), displayedPrefix(key), fromWireId("usr", owner.userId)],
    );
    const id = toWireId("team", team);
    const sessions = members.map(async ([name, [person]]) => [name, await this.#sessionIn(id, person)] as const);
    return {
      id,
      members: Object.fromEntries(await Promise.all(sessions)) as Record<Name, Person>,
      key,
      keyId: toWireId("key", keyId),
    };
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  /** The session of a person with a token for another team, as switching to it gives. */
  async #sessionIn(teamId: string, person: Person): Promise<Person> {
    const token = await new SignJWT({ ...decodeJwt(person.token), team_id: teamId })
      .setProtectedHeader(decodeProtectedHeader(person.token) as JWTHeaderParameters)
      .sign(new TextEncoder().encode(TEST_SECRET));
    return new Person(this.#url, { ...person.session, token, team_id: teamId });
  }
}
