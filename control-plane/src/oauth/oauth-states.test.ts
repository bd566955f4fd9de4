import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { createLogger } from "../logging.ts";
import { ConfiguredKeys } from "../signing-keys/signing-keys.ts";
import { OAuthStates } from "./oauth-states.ts";

const START = Date.UTC(2026, 0, 1);

describe("oauth states", () => {
  const fixture = testDatabase();
  let database: Database;
  beforeAll(async () => {
    database = await openDatabase(fixture().config, createLogger("silent"));
  });
  afterAll(() => database.close());

  const at = (time: number, secret = "the secret of this platform, long enough") =>
    new OAuthStates(database.db, new ConfiguredKeys([secret]), () => time);

  it("gives the same secrets at the end as at the start, once", async () => {
    const { cookie, ...secrets } = await at(START).begin("github");
    expect(secrets).toEqual({
      state: expect.stringMatching(/^[0-9a-f]{32}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      codeVerifier: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(await at(START + 599_000).accept("github", cookie, secrets.state)).toEqual(secrets);
    expect(await at(START + 599_000).accept("github", cookie, secrets.state)).toBeUndefined();
  });

  it("is used by one of many returns at the same moment", async () => {
    const { cookie, state } = await at(START).begin("github");
    const results = await Promise.all(Array.from({ length: 8 }, () => at(START).accept("github", cookie, state)));
    expect(results.filter((result) => result !== undefined)).toHaveLength(1);
  });

  it("ends after ten minutes, whatever the browser keeps", async () => {
    const { cookie, state } = await at(START).begin("github");
    expect(await at(START + 600_000).accept("github", cookie, state)).toBeUndefined();
  });

  it("is refused for another provider, another platform and any changed cookie", async () => {
    const { cookie, state } = await at(START).begin("github");
    const other = await at(START).begin("github");
    const foreign = at(START, "the secret of some other platform here");
    expect(await at(START).accept("company", cookie, state)).toBeUndefined();
    expect(await foreign.accept("github", cookie, state)).toBeUndefined();
    expect(await at(START).accept("github", cookie, other.state)).toBeUndefined();
    expect(await at(START).accept("github", undefined, state)).toBeUndefined();
    expect(await at(START).accept("github", cookie, undefined)).toBeUndefined();
    for (let index = 0; index < cookie.length; index++) {
      const changed = `${cookie.slice(0, index)}${cookie[index] === "a" ? "b" : "a"}${cookie.slice(index + 1)}`;
      const returned = changed.split(":")[0];
      // The last character of a MAC in base64url has two bits that say nothing.
      if (index === cookie.length - 1) continue;
      expect(await at(START).accept("github", changed, returned)).toBeUndefined();
    }
    expect(await at(START).accept("github", cookie, state)).toBeDefined();
  });

  it("keeps no used states longer than they could be used", async () => {
    await database.db.deleteFrom("oauth_used_states").execute();
    for (let i = 0; i < 3; i++) {
      const { cookie, state } = await at(START).begin("github");
      await at(START).accept("github", cookie, state);
    }
    await database.db
      .updateTable("oauth_used_states")
      .set({ expires_at: new Date(0) })
      .execute();
    const { cookie, state } = await at(START).begin("github");
    await at(START).accept("github", cookie, state);
    expect(await database.db.selectFrom("oauth_used_states").selectAll().execute()).toHaveLength(1);
  });
});

describe("settings of providers", async () => {
  const { parseConfig } = await import("../config.ts");
  const github = { OAUTH_GITHUB_CLIENT_ID: "id", OAUTH_GITHUB_CLIENT_SECRET: "secret" };
  const oidc = {
    OAUTH_OIDC_ISSUER: "https://login.example.org",
    OAUTH_OIDC_CLIENT_ID: "id",
    OAUTH_OIDC_CLIENT_SECRET: "secret",
  };
  const publicUrl = { CP_PUBLIC_URL: "https://warren.example.org/" };

  it("are read when they are complete", () => {
    const config = parseConfig({ ...github, ...oidc, ...publicUrl, OAUTH_OIDC_NAME: "company" });
    expect(config.oauth).toEqual({
      github: { clientId: "id", clientSecret: "secret" },
      oidc: {
        name: "company",
        label: "Single sign-on",
        issuer: "https://login.example.org",
        clientId: "id",
        clientSecret: "secret",
      },
    });
    expect(parseConfig({}).oauth).toEqual({});
  });

  it.each([
    ["no public address", { ...github }, "CP_PUBLIC_URL: required"],
    ["no secret", { OAUTH_GITHUB_CLIENT_ID: "id", ...publicUrl }, "OAUTH_GITHUB_CLIENT_SECRET"],
    ["no issuer", { ...oidc, OAUTH_OIDC_ISSUER: "", ...publicUrl }, "OAUTH_OIDC_ISSUER"],
    ["a provider without TLS", { ...oidc, OAUTH_OIDC_ISSUER: "http://login.example.org", ...publicUrl }, "https://"],
    ["a name that is taken", { ...oidc, OAUTH_OIDC_NAME: "github", ...publicUrl }, "OAUTH_OIDC_NAME"],
    ["a short secret", { JWT_SECRET: "short" }, "at least 32 characters"],
    ["an old secret alone", { JWT_SECRET_PREVIOUS: "x".repeat(32) }, "needs JWT_SECRET"],
  ])("stop the server from starting with %s", (_what, environment, problem) => {
    expect(() => parseConfig(environment)).toThrow(problem);
  });
});
