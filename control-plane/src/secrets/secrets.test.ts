import { randomBytes } from "node:crypto";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AccountEvents } from "../audit/account-events.ts";
import { AccessChanges } from "../auth/access-changes.ts";
import { parseConfig } from "../config.ts";
import { type Database, openDatabase } from "../database/database.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { StoredKeys } from "../signing-keys/stored-keys.ts";
import { Secrets } from "./secrets.ts";

const LOG = createLogger("silent");
const newKey = () => randomBytes(32).toString("base64");

describe("secrets", () => {
  const fixture = testDatabase();
  let database: Database;
  let file: string;
  beforeAll(async () => {
    database = await openDatabase(fixture().config, LOG);
    file = join(fixture().config.dataDir, "secret.key");
  });
  afterAll(() => database.close());

  /** A start of the server: finds the key, and the signing keys with it. */
  async function start(environment: Record<string, string> = {}): Promise<StoredKeys> {
    const config = { ...parseConfig(environment), dataDir: fixture().config.dataDir };
    const secrets = await Secrets.open(database.db, config, LOG);
    const changes = new AccessChanges(database.messages, LOG);
    const audit = new AccountEvents(async () => undefined);
    const keys = new StoredKeys({ db: database.db, secrets, changes, audit });
    await keys.prepare();
    return keys;
  }
  const rows = () => database.db.selectFrom("signing_keys").select(["kid", "secret"]).execute();

  it("what the database holds does not sign, and the key beside it is for the server's user alone", async () => {
    const { kid, secret } = await (await start()).current();
    const [row] = await rows();
    expect(row!.secret).not.toContain(Buffer.from(secret).toString("base64url"));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await (await start()).current()).toEqual({ kid, secret });
  });

  it("takes over plain secrets of an older installation", async () => {
    const plain = randomBytes(32);
    await database.db
      .updateTable("signing_keys")
      .set({ secret: plain.toString("base64url") })
      .execute();
    const { secret } = await (await start()).current();
    expect(Buffer.from(secret)).toEqual(plain);
    expect((await rows())[0]!.secret).not.toContain(plain.toString("base64url"));
  });

  it("without its key, or with another, it does not start, says why, and changes nothing", async () => {
    const [before, key] = [await rows(), await readFile(file, "utf8")];
    await rm(file);
    await expect(start()).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining(file) });
    await expect(stat(file)).rejects.toMatchObject({ code: "ENOENT" });
    const other = { WARREN_SECRET_KEYS: newKey() };
    const message = expect.stringContaining("WARREN_SECRET_KEY_LOST");
    await expect(start(other)).rejects.toMatchObject({ code: "conflict", message });
    expect(await rows()).toEqual(before);
    await writeFile(file, "not a key\n");
    await expect(start()).rejects.toMatchObject({ code: "invalid_request", message: expect.stringContaining(file) });
    await writeFile(file, key);
    await start();
  });

  it("a new key before the old one takes its place, and the old one is needed no more", async () => {
    const { secret } = await (await start()).current();
    const fresh = newKey();
    await writeFile(file, `${fresh}\n${await readFile(file, "utf8")}`);
    await start();
    await writeFile(file, `# the only one\n${fresh}\n`);
    expect((await (await start()).current()).secret).toEqual(secret);
    // Several control planes get it as a setting.
    await rm(file);
    expect((await (await start({ WARREN_SECRET_KEYS: fresh })).current()).secret).toEqual(secret);
    await writeFile(file, fresh);
  });

  it("a secret that was changed, or moved to another row, is not taken", async () => {
    const keys = await start();
    const [{ kid, secret } = { kid: "", secret: "" }] = await rows();
    await keys.rotate({ revoke: false });
    await sql`update signing_keys set secret = ${secret} where kid <> ${kid}`.execute(database.db);
    await expect((await start()).current()).rejects.toThrow("changed from outside");
    await database.db.deleteFrom("signing_keys").where("kid", "<>", kid).execute();
    await database.db
      .updateTable("signing_keys")
      .set({ secret: `${secret.slice(0, -4)}AAAA` })
      .execute();
    await expect((await start()).current()).rejects.toThrow("changed from outside");
    await database.db.updateTable("signing_keys").set({ secret }).execute();
  });

  it("a key that is lost for good can be given up", async () => {
    const { kid } = await (await start()).current();
    await rm(file);
    const renewed = await start({ WARREN_SECRET_KEY_LOST: "1" });
    expect((await renewed.current()).kid).not.toBe(kid);
    expect(await (await start()).current()).toEqual(await renewed.current());
  });
});
