import { parseOptions, verify } from "@node-rs/argon2";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { normalizeEmail, parseEmail } from "./email.ts";
import { PasswordHasher } from "./passwords.ts";
import { parseUserName, shortenUserName } from "./user-name.ts";

/** What passwords are compared with can be seen, by modules that are loaded anew: an earlier file may have loaded them. */
vi.mock("@node-rs/argon2", { spy: true });
vi.hoisted(() => vi.resetModules());

/** Cheap parameters. */
const FAST = { memoryCost: 8, timeCost: 1, parallelism: 1 };

describe("addresses", () => {
  it.each([
    "a@b",
    "ada+tag@example.org",
    "O'Neil@sub.example.co.uk",
    "用户@例え.jp",
    "a.b-c_d@x-1.example",
    "a@127.0.0.1",
  ])("%s is one", (text) => {
    expect(parseEmail(` ${text} `)).toBe(text.toLowerCase());
  });

  it.each([
    "",
    "@",
    "a@",
    "@b",
    "a b@c",
    "a@b c",
    "a@@b",
    "a@b@c",
    "a@-b",
    "a@b-",
    "a@.b",
    "a@b.",
    "a@b..c",
    "<a@b>",
    "a,b@c",
    "a\u0000@b",
    "a\u200b@b",
    '"a"@b',
  ])("%j is none", (text) => {
    expect(() => parseEmail(text)).toThrow("is not an e-mail address");
  });

  it("have one stored form, whatever is typed", () => {
    fc.assert(
      fc.property(fc.emailAddress(), (email) => {
        const stored = normalizeEmail(email);
        expect(normalizeEmail(`  ${email.toUpperCase()}\t`)).toBe(normalizeEmail(email.toUpperCase()));
        expect(normalizeEmail(stored)).toBe(stored);
      }),
    );
  });

  it("are read in time that grows with their length only", () => {
    for (const text of [
      `a@${"a-".repeat(100)}`,
      `a@${"a.".repeat(100)}`,
      `${"a".repeat(200)}`,
      `a@${"-".repeat(240)}`,
    ]) {
      expect(() => parseEmail(text)).toThrow("is not an e-mail address");
    }
  });
});

describe("names", () => {
  it("of providers always become ones that can be stored", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const name = shortenUserName(text);
        expect(parseUserName(name)).toBe(name);
      }),
    );
  });
});

describe("passwords", () => {
  const hasher = new PasswordHasher({ cost: FAST, concurrency: 2 });

  it("match themselves and nothing else, in every encoding of their accents", async () => {
    const passwordHash = await hasher.hash("p\u00e4ssw\u00f6rd");
    expect(passwordHash).toMatch(/^\$argon2id\$v=19\$/);
    expect(await hasher.verify(passwordHash, "pa\u0308sswo\u0308rd")).toBe(true);
    expect(await hasher.verify(passwordHash, "passw\u00f6rd")).toBe(false);
    expect(await hasher.hash("p\u00e4ssw\u00f6rd")).not.toBe(passwordHash);
  });

  it("match nothing where there is no hash", async () => {
    for (const absent of [null, undefined]) expect(await hasher.verify(absent, "anything")).toBe(false);
  });

  it("are compared with a hash of the usual cost where there is none, so that the answer takes as long", async () => {
    const usual = new PasswordHasher();
    const passwordHash = await usual.hash("a password");
    for (const absent of [null, undefined]) {
      vi.mocked(verify).mockClear();
      expect(await usual.verify(absent, "another")).toBe(false);
      const compared = vi.mocked(verify).mock.calls.map(([against]) => parseOptions(String(against)));
      expect(compared).toEqual([parseOptions(passwordHash)]);
    }
  });

  it("are hashed with the parameters that OWASP recommends, and older hashes are noticed", async () => {
    const usual = new PasswordHasher();
    const passwordHash = await usual.hash("a password");
    expect(passwordHash).toContain("$m=19456,t=2,p=1$");
    expect(usual.isOutdated(passwordHash)).toBe(false);
    expect(usual.isOutdated(await hasher.hash("a password"))).toBe(true);
  });

  it("are all answered, however many come at once", async () => {
    const passwordHash = await hasher.hash("a password");
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => hasher.verify(passwordHash, index % 2 ? "a password" : "another")),
    );
    expect(answers).toEqual(Array.from({ length: 30 }, (_, index) => index % 2 === 1));
  });
});
