import "reflect-metadata";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HostIdentity } from "../rpc/secure-server.ts";
import { findControlPlane } from "./control-plane.ts";
import { CredentialMemory } from "./credentials.ts";
import { Link } from "./link.ts";
import { TestAuthority } from "./testing/authority.ts";
import { ControlPlane, REPORT } from "./testing/control-plane.ts";

const ADDRESS = "https://192.0.2.7:7443";
const HOUR_MS = 3_600_000;
/** Milliseconds after which the next sign of life is given, in tests. */
const SOON = 20;

let plane: ControlPlane;
let authority: TestAuthority;
let credentials: CredentialMemory;
/** What the host has become, one after another. */
let became: (HostIdentity | undefined)[];
const links: Link[] = [];
beforeEach(async () => {
  [plane, authority] = [new ControlPlane(), await TestAuthority.make()];
  plane.authority = authority;
  credentials = new CredentialMemory();
  became = [];
  await plane.start();
});
afterEach(async () => {
  await Promise.all(links.splice(0).map((link) => link.close()));
  plane.close();
});

const open = async () => {
  const link = await Link.open({
    credentials,
    address: ADDRESS,
    report: async () => REPORT,
    loss: { over: () => undefined, missed: () => undefined, close: () => undefined },
    become: (identity) => became.push(identity),
    log: pino({ level: "silent" }),
    intervalMs: SOON,
  });
  links.push(link);
  return link;
};
const requests = (end: string) => plane.calls.filter(({ path }) => path.endsWith(end)).map(({ body }) => body);
const isOfKey = ({ certificate, key }: HostIdentity) =>
  new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));

describe("a host at an address of a network", () => {
  it("has a certificate for a key of its own, which it tells nobody", async () => {
    await (await open()).registerOnce(plane.url, "once");
    const [{ csr_pem, address }] = requests("/register") as [{ csr_pem: string; address: string }];
    expect(address).toBe(ADDRESS);
    expect(await new Pkcs10CertificateRequest(csr_pem).verify()).toBe(true);
    const identity = became.at(-1)!;
    expect(isOfKey(identity)).toBe(true);
    expect(identity.authority).toBe(authority.certificate);
    expect((await credentials.read())?.identity).toEqual(identity);
    expect(JSON.stringify(plane.calls)).not.toContain("PRIVATE KEY");
  });

  it("gives a sign of life as soon as it has registered, and says why it is not reached", async () => {
    let unreached: string | undefined = "connect ECONNREFUSED";
    plane.answer = (path) =>
      path.endsWith("/heartbeat") && unreached ? { status: 200, body: { unreached } } : undefined;
    const link = await open();
    await link.registerOnce(plane.url, "once");
    expect(link.unreached).toBe("connect ECONNREFUSED");
    unreached = undefined;
    await expect.poll(() => link.unreached).toBe(undefined);
  });

  it("is what it was when it starts again, without asking", async () => {
    await (await open()).registerOnce(plane.url, "once");
    const identity = became.at(-1)!;
    await links.pop()!.close();
    became = [];
    await (await open()).registerOnce(plane.url, undefined);
    expect(became).toEqual([identity]);
  });

  it("renews its certificate once half of its time is over, with another key", async () => {
    authority.age = 25 * HOUR_MS;
    await (await open()).registerOnce(plane.url, "once");
    const first = became.at(-1)!;
    // Every certificate is half over until the authority gives younger ones.
    await expect.poll(() => requests("/refresh").length).toBeGreaterThan(1);
    authority.age = HOUR_MS;
    await expect
      .poll(() => new X509Certificate(became.at(-1)!.certificate).validFromDate.getTime() > Date.now() - 2 * HOUR_MS)
      .toBe(true);
    const last = became.at(-1)!;
    expect([isOfKey(last), last.key === first.key]).toEqual([true, false]);
    const [count, beats] = [requests("/refresh").length, plane.count("/heartbeat")];
    await expect.poll(() => plane.count("/heartbeat")).toBeGreaterThan(beats + 2);
    expect(requests("/refresh")).toHaveLength(count);
  });

  it("keeps its certificate, and gives signs of life, while it cannot be renewed", async () => {
    authority.age = 25 * HOUR_MS;
    plane.answer = (path) => (path.endsWith("/refresh") ? { status: 500 } : undefined);
    await (await open()).registerOnce(plane.url, "once");
    const first = became.at(-1)!;
    await expect.poll(() => requests("/refresh").length).toBeGreaterThan(2);
    await expect.poll(() => plane.count("/heartbeat")).toBeGreaterThan(2);
    expect(became.at(-1)).toBe(first);
    authority.age = HOUR_MS;
    plane.answer = () => undefined;
    await expect.poll(() => became.at(-1)).not.toBe(first);
    expect(isOfKey(became.at(-1)!)).toBe(true);
  });

  it.each([401, 403])(
    "has a new certificate with the credentials that it gets when %i refuses the former",
    async (status) => {
      await (await open()).registerOnce(plane.url, "once");
      const first = became.at(-1)!;
      let refused = true;
      plane.answer = (path) => {
        if (!path.endsWith("/heartbeat") || !refused) return undefined;
        refused = false;
        return { status };
      };
      await expect.poll(() => became.at(-1)).not.toBe(first);
      expect(isOfKey(became.at(-1)!)).toBe(true);
      expect(requests("/refresh")).toHaveLength(1);
    },
  );

  it("registers with no control plane that gives it none, or one of another key", async () => {
    plane.authority = undefined;
    const without = (await open()).registerOnce(plane.url, "once");
    await expect(without).rejects.toMatchObject({ code: "server_unreachable" });
    const others = { answer: async () => ({ cert_pem: (await authority.makeServer()).cert, ca_cert_pem: "x" }) };
    plane.authority = others as unknown as TestAuthority;
    await expect((await open()).registerOnce(plane.url, "once")).rejects.toThrow("no certificate");
    expect([became, await credentials.read()]).toEqual([[], undefined]);
  });

  it("is nobody once its control plane says that it was deleted, and says so to whoever started it", async () => {
    const link = await open();
    await link.registerOnce(plane.url, "once");
    plane.answer = (path) =>
      path.endsWith("/heartbeat") ? { status: 404, body: { error: { code: "not_found" } } } : undefined;
    await link.gone;
    expect([became.at(-1), await credentials.read()]).toEqual([undefined, undefined]);
  });
});

describe("a control plane", () => {
  it("is found, with the address from which it is reached", async () => {
    expect(await findControlPlane({ url: plane.url })).toBe("127.0.0.1");
  });

  it.each([
    ["another service", { status: 200, body: { status: "ok" } }],
    ["a page", { status: 404 }],
  ])("is not found where %s answers", async (_what, answer) => {
    plane.answer = () => answer;
    await expect(findControlPlane({ url: plane.url })).rejects.toThrow("no control plane");
  });

  it("is not found where nobody answers", async () => {
    const { url } = plane;
    plane.close();
    await expect(findControlPlane({ url })).rejects.toThrow(/does not answer: .*ECONNREFUSED/);
  });

  it("is believed by the authority that is named, and by none that nobody has named", async () => {
    const server = createServer(await authority.makeServer(), (_request, response) =>
      response.end('{"status":"ok","version":"1"}'),
    );
    await once(server.listen(0, "127.0.0.1"), "listening");
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      expect(await findControlPlane({ url, authority: authority.certificate })).toBe("127.0.0.1");
      await expect(findControlPlane({ url })).rejects.toThrow("--ca-file");
      const other = (await TestAuthority.make()).certificate;
      await expect(findControlPlane({ url, authority: other })).rejects.toThrow("does not answer");
    } finally {
      server.close();
    }
  });
});
