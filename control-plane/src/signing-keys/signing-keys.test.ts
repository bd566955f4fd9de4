import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AccountEvents } from "../audit/account-events.ts";
import { AccessChanges } from "../auth/access-changes.ts";
import { type Database, openDatabase } from "../database/database.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { Secrets } from "../secrets/secrets.ts";
import { ConfiguredKeys, deriveKey } from "./signing-keys.ts";
import { StoredKeys } from "./stored-keys.ts";

describe("signing keys", () => {
  const fixture = testDatabase();
  let database: Database;
  let secrets: Secrets;
  beforeAll(async () => {
    const { config } = fixture();
    database = await openDatabase(config, createLogger("silent"));
    secrets = await Secrets.open(database.db, { ...config, secretKeyLost: false }, createLogger("silent"));
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.db.deleteFrom("signing_keys").execute();
  });

  const audit = new AccountEvents(async () => undefined);
  const keys = (changes = new AccessChanges(database.messages, createLogger("silent"))) =>
    new StoredKeys({ db: database.db, secrets, changes, audit });
  const age = (days: number) =>
    sql`update signing_keys set created_at = created_at - ${days} * interval '1 day'`.execute(database.db);
  const stored = async () =>
    (await database.db.selectFrom("signing_keys").select("kid").execute()).map(({ kid }) => kid);

  it("the first control plane makes a key, and all that start at the same moment use it", async () => {
    const planes = Array.from({ length: 4 }, keys);
    await Promise.all(planes.map((plane) => plane.prepare()));
    const used = await Promise.all(planes.map((plane) => plane.current()));
    expect(new Set(used.map(({ kid }) => kid)).size).toBe(1);
    expect(used[0]!.secret).toHaveLength(32);
  });

  it("a key is kept over restarts until it is old, and then verifies as long as tokens live", async () => {
    const first = keys();
    await first.prepare();
    const { kid } = await first.current();
    await age(89);
    await keys().prepare();
    expect(await stored()).toEqual([kid]);
    await age(2);
    const rotations = () =>
      database.db
        .selectFrom("audit_logs")
        .select(["resource_id", "metadata"])
        .where("resource_type", "=", "signing_key")
        .orderBy("created_at")
        .execute();
    const before = (await rotations()).length;
    const second = keys();
    await second.prepare();
    const { kid: next } = await second.current();
    expect(next).not.toBe(kid);
    expect((await rotations()).slice(before)).toEqual([{ resource_id: next, metadata: { revoked: false } }]);
    expect((await second.find(kid))?.kid).toBe(kid);
    await age(9);
    await keys().prepare();
    expect(await stored()).toEqual([next]);
  });

  it("a control plane learns of a key that another one has made when a token names it", async () => {
    const [one, other] = [keys(), keys()];
    await one.prepare();
    const before = await other.current();
    await one.rotate({ revoke: false });
    const { kid } = await one.current();
    // Names that nobody knows cost at most one query in a second.
    let found: string | undefined;
    while (found === undefined) found = (await other.find(kid))?.kid;
    expect((await other.find(before.kid))?.kid).toBe(before.kid);
    expect(await other.find("0000000000000000")).toBeUndefined();
  });

  it("a revoked key is gone", async () => {
    const plane = keys();
    await plane.prepare();
    const { kid } = await plane.current();
    await plane.rotate({ revoke: true });
    expect(await plane.find(kid)).toBeUndefined();
    expect(await stored()).toEqual([(await plane.current()).kid]);
  });

  it("a revoked key is gone at once for all who hear of changes, and one that was only replaced is not", async () => {
    const changes = new AccessChanges(database.messages, createLogger("silent"));
    const [one, other] = [keys(changes), keys(changes)];
    await one.prepare();
    const { kid } = await other.current();
    await one.rotate({ revoke: false });
    expect((await other.find(kid))?.kid).toBe(kid);
    await one.rotate({ revoke: true });
    expect(await other.find(kid)).toBeUndefined();
  });
});

describe("configured secrets", () => {
  const [a, b] = ["a".repeat(32), "b".repeat(32)];

  it("have the same names everywhere; the first signs and all verify", async () => {
    const before = await new ConfiguredKeys([a]).current();
    const after = new ConfiguredKeys([b, a]);
    expect((await after.current()).kid).not.toBe(before.kid);
    expect(await after.find(before.kid)).toEqual(before);
    expect(await new ConfiguredKeys([b]).find(before.kid)).toBeUndefined();
    expect(before.kid).not.toContain(a);
  });

  it("give keys for other purposes that tell nothing of each other", async () => {
    const key = await new ConfiguredKeys([a]).current();
    const derived = ["oauth state", "oauth pkce"].map((purpose) =>
      Buffer.from(deriveKey(key, purpose)).toString("hex"),
    );
    expect(new Set([...derived, Buffer.from(key.secret).toString("hex")]).size).toBe(3);
    expect(Buffer.from(deriveKey(key, "oauth state")).toString("hex")).toBe(derived[0]);
  });
});
