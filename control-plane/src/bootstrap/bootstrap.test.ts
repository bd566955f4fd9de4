import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { generateApiKey, hashApiKey } from "../api-keys/api-key.ts";
import { ApiKeyStore } from "../api-keys/api-key-store.ts";
import { type Database, openDatabase } from "../database/database.ts";
import { createDatabase, type TestDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { TeamStore } from "../teams/team-store.ts";
import { Bootstrap } from "./bootstrap.ts";
import { CredentialsFile } from "./credentials-file.ts";

const log = createLogger("silent");
let fixture: TestDatabase;
let database: Database;
let path: string;
beforeEach(async () => {
  fixture = await createDatabase();
  database = await openDatabase(fixture.config, log);
  path = join(fixture.config.dataDir, "credentials.json");
});
afterEach(async () => {
  await database.close();
  await fixture.remove();
});

function bootstrap() {
  const { db } = database;
  const file = new CredentialsFile(fixture.config.dataDir);
  return new Bootstrap({ db, teams: new TeamStore(db), apiKeys: new ApiKeyStore(db), file, log });
}

const read = async () => JSON.parse(await readFile(path, "utf8"));
const callerOf = (key: string) => new ApiKeyStore(database.db).findCaller(hashApiKey(key)!);

it("makes a team and a key that works, and tells only the owner of the directory", async () => {
  await bootstrap().run("http://a");
  const { url, api_key } = await read();
  expect(url).toBe("http://a");
  expect(await callerOf(api_key)).toMatchObject({ kind: "api_key" });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

it("changes only the address at later starts", async () => {
  await bootstrap().run("http://a");
  const { api_key } = await read();
  await bootstrap().run("http://b");
  expect(await read()).toEqual({ url: "http://b", api_key });
});

it("uses the key of a first start that ended before the database knew it", async () => {
  const api_key = generateApiKey();
  await writeFile(path, JSON.stringify({ url: "http://old", api_key }));
  await bootstrap().run("http://a");
  expect(await read()).toEqual({ url: "http://a", api_key });
  expect(await callerOf(api_key)).toBeDefined();
});

it("makes nothing when there is a team already", async () => {
  await new TeamStore(database.db).insert("Existing");
  await bootstrap().run("http://a");
  await expect(readFile(path)).rejects.toThrow("ENOENT");
});

it("refuses a file that holds no key, and leaves it", async () => {
  await writeFile(path, "{ broken");
  await expect(bootstrap().run("http://a")).rejects.toMatchObject({ code: "conflict" });
  expect(await readFile(path, "utf8")).toBe("{ broken");
});
