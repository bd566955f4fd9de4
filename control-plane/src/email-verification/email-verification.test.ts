import type { Me } from "@warren/contracts/rest/accounts";
import type { Member } from "@warren/contracts/rest/teams";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../config.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { MailServer } from "../mail/testing/mail-server.ts";
import { expectJson, expectStatus, newEmail, Person, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

const PUBLIC_URL = "http://warren.test";

describe("email verification", () => {
  const database = testDatabase();
  let mail: MailServer;
  let stack: TestStack;
  beforeAll(async () => {
    mail = await MailServer.start();
    const { smtp, verifiedMembersOnly, publicUrl } = parseConfig({
      SMTP_URL: mail.url,
      SMTP_FROM: "Warren <warren@example.org>",
      CP_PUBLIC_URL: PUBLIC_URL,
    });
    stack = await startAccountStack(database(), {
      config: { smtp: smtp!, verifiedMembersOnly, publicUrl: publicUrl! },
    });
  });
  afterAll(async () => {
    await stack?.close();
    await mail?.close();
  });

  const tokenOf = (link: URL) => link.searchParams.get("token");
  const isVerified = async (person: Person) => (await person.get<Me>("/v1/me")).email_verified;
  const add = (owner: Person, { email }: Person) => owner.call("POST", `/v1/teams/${owner.teamId}/members`, { email });

  /** Somebody who has followed the link of the first mail. */
  async function verified(email = newEmail()): Promise<Person> {
    const person = await Person.signUp(stack, { email });
    const link = await mail.linkTo(email);
    await expectStatus(await person.call("GET", link.pathname + link.search), 200);
    return person;
  }

  it("a sign-up brings a mail, whose link verifies the address once, in a session of that account alone", async () => {
    const [person, stranger] = [await Person.signUp(stack), await Person.signUp(stack)];
    const link = await mail.linkTo(person.email);
    expect(link.href.startsWith(`${PUBLIC_URL}/v1/me/email/confirm?token=`)).toBe(true);
    const token = tokenOf(link);
    expect((await fetch(stack.url + link.pathname + link.search)).status).toBe(401);
    const confirm = (who: Person) => who.call("POST", "/v1/me/email/confirm", { token });
    expect(await errorOf(await confirm(stranger))).toMatchObject({ status: 404, code: "not_found" });
    expect([await isVerified(person), await isVerified(stranger)]).toEqual([false, false]);
    await expectStatus(await confirm(person), 204);
    expect(await isVerified(person)).toBe(true);
    expect((await confirm(person)).status).toBe(404);
  });

  it("a new mail can be asked for and replaces the one before", async () => {
    const person = await Person.signUp(stack);
    const first = tokenOf(await mail.linkTo(person.email));
    await expectStatus(await person.call("POST", "/v1/me/email/verification"), 204);
    const second = tokenOf(await mail.linkTo(person.email));
    expect((await person.call("POST", "/v1/me/email/confirm", { token: first })).status).toBe(404);
    await expectStatus(await person.call("POST", "/v1/me/email/confirm", { token: second }), 204);
    // Nothing is left to verify, and no further mail is sent.
    mail.refuses = true;
    await expectStatus(await person.call("POST", "/v1/me/email/verification"), 204);
    const other = await Person.signUp(stack);
    const refused = await errorOf(await other.call("POST", "/v1/me/email/verification"));
    expect(refused).toMatchObject({ status: 502, code: "mail_failed" });
    mail.refuses = false;
  });

  it("who has not shown that an address is theirs is added to no team by it", async () => {
    const [owner, impostor, colleague] = [await verified(), await Person.signUp(stack), await verified()];
    const refused = await errorOf(await add(owner, impostor));
    expect(refused).toMatchObject({ status: 409, code: "invalid_state" });
    expect(refused.message).toContain("verified");
    expect(await expectJson<Member>(await add(owner, colleague), 201)).toMatchObject({ email_verified: true });
    const members = await owner.get<Member[]>(`/v1/teams/${owner.teamId}/members`);
    expect(members.map((member) => [member.email, member.email_verified])).toEqual([
      [owner.email, true],
      [colleague.email, true],
    ]);
  });

  it("the search completes people of one's own domain once one's address in it is verified", async () => {
    const domain = `${process.pid}.example`;
    const person = await Person.signUp(stack, { email: `me@${domain}` });
    const colleague = await Person.signUp(stack, { email: `ann@${domain}` });
    const search = () => person.get<object[]>("/v1/users/search?email=ann@");
    expect(await search()).toEqual([]);
    const link = await mail.linkTo(person.email);
    await expectStatus(await person.call("GET", link.pathname + link.search), 200);
    expect(await search()).toEqual([{ user_id: colleague.userId, email: colleague.email, email_verified: false }]);
  });
});

it("who may be added is set, and follows from whether addresses can be verified", () => {
  const smtp = { SMTP_URL: "smtps://mail.example", SMTP_FROM: "a@example.org", CP_PUBLIC_URL: PUBLIC_URL };
  expect(parseConfig({}).verifiedMembersOnly).toBe(false);
  expect(parseConfig(smtp).verifiedMembersOnly).toBe(true);
  expect(parseConfig({ ...smtp, WARREN_ADD_MEMBERS: "any" }).verifiedMembersOnly).toBe(false);
  expect(parseConfig({ WARREN_ADD_MEMBERS: "verified" }).verifiedMembersOnly).toBe(true);
  for (const bad of [{ SMTP_URL: "mail.example" }, { SMTP_FROM: "a@example.org" }, { ...smtp, CP_PUBLIC_URL: "" }]) {
    expect(() => parseConfig(bad)).toThrow("settings are not valid");
  }
});
