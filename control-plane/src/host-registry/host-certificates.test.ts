import { X509Certificate } from "node:crypto";
import { CERTIFICATE_NAMES } from "@warren/contracts/host-certificates";
import type { HeartbeatAnswer, Host, HostCredentials, HostToken, NewHost } from "@warren/contracts/rest/hosts";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { expectJson, type Person, send, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";
import { CSR, RSA_CSR } from "./testing/certificate-request.ts";

const DAY_MS = 86_400_000;

let ports = 7000;
const newAddress = () => `https://192.0.2.7:${++ports}`;

describe("certificates of hosts", () => {
  const database = testDatabase();
  let stack: TestStack;
  let admin: Person;
  let db: pg.Pool;
  beforeAll(async () => {
    ({ stack, admin } = await startAdminStack(database()));
    db = new pg.Pool({ connectionString: database().config.databaseUrl });
  });
  afterAll(async () => {
    await db?.end();
    await stack?.close();
  });

  const create = async () => expectJson<NewHost>(await admin.call("POST", "/v1/hosts", { type: "regular" }), 201);
  const register = (token: string, more: object = {}) =>
    send(stack.url, "POST", "/v1/hosts/register", { body: { token, address: newAddress(), csr_pem: CSR, ...more } });
  const refresh = (refresh_token: string, more: object = {}) =>
    send(stack.url, "POST", "/v1/hosts/auth/refresh", { body: { refresh_token, ...more } });
  /** What a certificate says, once its signature was checked. */
  const read = ({ cert_pem, ca_cert_pem }: HostCredentials) => {
    const [certificate, authority] = [cert_pem!, ca_cert_pem!].map((pem) => new X509Certificate(pem));
    expect(certificate!.verify(authority!.publicKey)).toBe(true);
    expect([certificate!.ca, authority!.ca]).toEqual([false, true]);
    return { name: certificate!.subjectAltName, usage: certificate!.keyUsage, ends: certificate!.validToDate };
  };

  it("name the host and its registration, and last a week", async () => {
    const { host, registration_token } = await create();
    const given = await expectJson<HostCredentials>(await register(registration_token), 201);
    const { name, usage, ends } = read(given);
    expect(name).toBe(`URI:${CERTIFICATE_NAMES.host(host.id, 1)}`);
    // Server authentication alone: no host is a client of another one.
    expect(usage).toEqual(["1.3.6.1.5.5.7.3.1"]);
    expect(ends.getTime() - Date.now()).toBeGreaterThan(6 * DAY_MS);
    expect(ends.getTime() - Date.now()).toBeLessThan(8 * DAY_MS);
    const renewed = await expectJson<HostCredentials>(await refresh(given.refresh_token, { csr_pem: CSR }), 200);
    expect(read(renewed).name).toBe(name);
    expect(renewed.ca_cert_pem).toBe(given.ca_cert_pem);
    const plain = await expectJson<HostCredentials>(await refresh(renewed.refresh_token), 200);
    expect(plain).not.toHaveProperty("cert_pem");
  });

  it("name the next registration of a host that has registered again", async () => {
    const { host, registration_token } = await create();
    await expectJson(await register(registration_token), 201);
    await db.query("update hosts set status = 'unreachable' where id = $1", [fromWireId("host", host.id)]);
    const again = await expectJson<HostToken>(await admin.call("POST", `/v1/hosts/${host.id}/token`), 201);
    const given = await expectJson<HostCredentials>(await register(again.registration_token), 201);
    expect(read(given).name).toBe(`URI:${CERTIFICATE_NAMES.host(host.id, 2)}`);
  });

  it.each([
    ["no request at an address of a network", { csr_pem: undefined }, "csr_pem"],
    ["what is no request", { csr_pem: "x" }, "csr_pem"],
    ["a key of another kind", { csr_pem: RSA_CSR }, "csr_pem"],
    ["a request that somebody else has changed", { csr_pem: CSR.replace(/.(?==*\n-----END)/, "A") }, "csr_pem"],
    ["a request without end", { csr_pem: CSR.replace("\n", `\n${"A".repeat(5000)}\n`) }, "csr_pem"],
    ["calls in plain", { address: "http://192.0.2.7:7443" }, "address"],
    ["an address without a port", { address: "https://192.0.2.7" }, "address"],
    ["another way to write 127.0.0.1", { address: "https://0x7f.1:7443" }, "address"],
  ])("are not given for %s, and the token stays as it was", async (_what, change, field) => {
    const { registration_token } = await create();
    const refused = await errorOf(await register(registration_token, change));
    expect(refused).toMatchObject({ status: 400, code: "invalid_request" });
    if (field === "csr_pem") expect(refused.message).toContain(field);
    await expectJson(await register(registration_token), 201);
  });

  it("make a host online once it has answered a call with its own, and until then its address is nobody's", async () => {
    // A port at which nobody answers.
    const address = "https://127.0.0.1:9";
    const [squatter, owner] = [await create(), await create()];
    const status = async (id: string) => (await admin.get<Host>(`/v1/hosts/${id}`)).status;
    for (const { host, registration_token } of [squatter, owner]) {
      const { token } = await expectJson<HostCredentials>(await register(registration_token, { address }), 201);
      const headers = { "x-host-token": token };
      const beat = await send(stack.url, "POST", `/v1/hosts/${host.id}/heartbeat`, { body: {}, headers });
      expect((await expectJson<HeartbeatAnswer>(beat, 200)).unreached).toContain("ECONNREFUSED");
      expect(await status(host.id)).toBe("pending");
      await db.query("update hosts set status = 'unreachable' where id = $1", [fromWireId("host", host.id)]);
      await expectJson(await send(stack.url, "POST", `/v1/hosts/${host.id}/heartbeat`, { body: {}, headers }), 200);
      expect(await status(host.id)).toBe("unreachable");
    }
  });

  it("are signed by a key that the database does not tell", async () => {
    const { registration_token } = await create();
    await expectJson(await register(registration_token), 201);
    const { rows } = await db.query("select private_key, certificate from host_authorities");
    expect(rows).toHaveLength(1);
    expect(rows[0].certificate).toContain("BEGIN CERTIFICATE");
    expect(rows[0].private_key).not.toMatch(/PRIVATE KEY/);
  });
});
