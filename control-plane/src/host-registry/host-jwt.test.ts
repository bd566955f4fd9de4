import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { UserTokens } from "../sessions/user-tokens.ts";
import { ConfiguredKeys, deriveKey } from "../signing-keys/signing-keys.ts";
import { HostJwts } from "./host-jwt.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const keys = new ConfiguredKeys(["a".repeat(32)]);
const jwts = new HostJwts(keys);
const claims = { hostId: randomUUID(), registration: 3 };
const refused = { code: "unauthorized" };

afterEach(() => vi.useRealTimers());

/** Lets the clock of this machine be another one. */
const shift = (ms: number) => vi.useFakeTimers({ now: Date.now() + ms, toFake: ["Date"] });

describe("the token of a host", () => {
  it("says which host it is, for seven days", async () => {
    const token = await jwts.sign(claims);
    expect(await jwts.verify(token)).toEqual(claims);
    shift(7 * DAY - MINUTE);
    expect(await jwts.verify(token)).toEqual(claims);
    shift(2 * MINUTE);
    await expect(jwts.verify(token)).rejects.toMatchObject(refused);
  });

  it("is taken by a control plane whose clock is ten minutes off, either way", async () => {
    const token = await jwts.sign(claims);
    for (const ms of [-10 * MINUTE, 20 * MINUTE]) {
      shift(ms);
      expect(await jwts.verify(token)).toEqual(claims);
    }
  });

  it("is none of a user, and that of a user is none of a host", async () => {
    const users = new UserTokens(keys);
    await expect(users.verify(await jwts.sign(claims))).rejects.toMatchObject(refused);
    const about = { sessionId: randomUUID(), userId: randomUUID(), teamId: randomUUID() };
    const user = { ...about, role: "owner", email: "a@example.org", name: "Ada", isAdmin: true } as const;
    await expect(jwts.verify(await users.sign(user, new Date(Date.now() + DAY)))).rejects.toMatchObject(refused);
  });

  it("is not valid when somebody else signed it, or with the key for something else", async () => {
    const foreign = await new HostJwts(new ConfiguredKeys(["b".repeat(32)])).sign(claims);
    const key = await keys.current();
    const sign = (secret: Uint8Array, audience = "warren:host") =>
      new SignJWT({ typ: "host", host_id: "host-0000000000000000000000001", registration: 1 })
        .setProtectedHeader({ alg: "HS256", kid: key.kid })
        .setSubject("host-0000000000000000000000001")
        .setIssuer("warren")
        .setAudience(audience)
        .setExpirationTime("1 h")
        .sign(secret);
    const other = await sign(deriveKey(key, "host tokens"), "warren:user");
    for (const token of [foreign, other, await sign(key.secret), "", "a.b.c", "x".repeat(10_000)]) {
      await expect(jwts.verify(token)).rejects.toMatchObject(refused);
    }
    expect(await jwts.verify(await sign(deriveKey(key, "host tokens")))).toMatchObject({ registration: 1 });
  });
});
