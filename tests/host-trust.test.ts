import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { connect as connectTls, createSecureContext, type SecureContext } from "node:tls";
import { CERTIFICATE_NAMES } from "@warren/contracts/host-certificates";
import {
  certifyHost,
  type KeyAndCertificate,
  keyOfRequest,
  makeAuthority,
  makeClient,
  readAuthority,
} from "@warren/control-plane/host-certificates/certificates";
import { createHostClient, type HostClient } from "@warren/control-plane/hosts/host-client";
import { fromRpcError } from "@warren/control-plane/hosts/rpc-errors";
import { toWireId } from "@warren/control-plane/identifiers/wire-id";
import { createLogger } from "@warren/control-plane/logging";
import { makeCertificateRequest } from "@warren/host-agent/link/certificate-request";
import { type HostIdentity, type SecureServer, serveSecurely } from "@warren/host-agent/rpc/secure-server";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "./support/network.ts";

const HOUR_MS = 3_600_000;
const HOST = "0190b5a0-0000-7000-8000-000000000001";
const OTHER = "0190b5a0-0000-7000-8000-000000000002";
const never = new AbortController().signal;
const file = { sandboxId: "sb1", path: "/file" };

/** Differences from what is usual: the time at which something is made, and how long it lasts. */
interface Odd {
  now?: number;
  lifetimeMs?: number;
}

describe("a host and its control plane", () => {
  let authority: KeyAndCertificate;
  let stranger: KeyAndCertificate;
  let server: SecureServer;
  let port: number;
  let clients: HostClient[] = [];
  /** How many calls and files the host has served. */
  let served: number;
  let content: Buffer;
  beforeAll(async () => {
    [authority, stranger] = [await makeAuthority("one"), await makeAuthority("other")];
  });
  beforeEach(async () => {
    served = 0;
    clients = [];
    content = randomBytes(3_000_001);
    const service = {
      listSandboxes: () => {
        served += 1;
        return { sandboxes: [] };
      },
    } as unknown as Parameters<typeof serveSecurely>[1]["service"];
    const files: RequestListener = async (request, response) => {
      served++;
      if (request.method === "PUT") content = await buffer(request);
      if (request.url?.includes("endless")) response.write(content);
      else response.end(request.method === "PUT" ? "" : content);
    };
    port = await freePort();
    server = await serveSecurely({ host: "127.0.0.1", port }, { service, files }, createLogger("silent"));
    server.become(await identity(authority, HOST, 1));
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await server.close();
  });

  const identity = async (
    by: KeyAndCertificate,
    id: string,
    registration: number,
    { now = Date.now(), lifetimeMs = HOUR_MS }: Odd = {},
  ): Promise<HostIdentity> => {
    const { key, request } = await makeCertificateRequest();
    const name = CERTIFICATE_NAMES.host(toWireId("host", id), registration);
    const publicKey = await keyOfRequest(request);
    const certificate = await certifyHost(await readAuthority(by), { publicKey, name, lifetimeMs, now });
    return { key, certificate, authority: by.certificate };
  };
  /** What a control plane of an authority shows. */
  const shown = async (by: KeyAndCertificate, odd: Odd = {}, name: string = CERTIFICATE_NAMES.controlPlane) =>
    makeClient(await readAuthority(by), { name, lifetimeMs: HOUR_MS, ...odd });
  const contextOf = ({ key, certificate }: KeyAndCertificate, ca = authority.certificate): SecureContext =>
    createSecureContext({ key, cert: certificate, ca, minVersion: "TLSv1.3" });
  /** A client that expects a host, and shows itself as the control plane unless it is told otherwise. */
  const client = async (expected = { id: HOST, registration: 1 }, context?: SecureContext): Promise<HostClient> => {
    const own = context ?? contextOf(await shown(authority));
    const made = createHostClient(`https://127.0.0.1:${port}`, {
      ...expected,
      trust: { secureContext: async () => own },
    });
    clients.push(made);
    return made;
  };
  const failure = (call: Promise<unknown>) => call.then(() => expect.unreachable(), fromRpcError);
  /** Neither calls nor files come through. */
  const expectNothing = async ({ agent, files }: HostClient) => {
    expect(await failure(agent.listSandboxes({}))).toMatchObject({ code: "host_unavailable" });
    expect(await failure(files.read(file, never))).toMatchObject({ code: "host_unavailable" });
    expect(await failure(files.write(file, Readable.from([content]), never))).toMatchObject({
      code: "host_unavailable",
    });
    expect(served).toBe(0);
  };

  it("know each other: calls and content go both ways at one port", async () => {
    const { agent, files } = await client();
    expect((await agent.listSandboxes({})).sandboxes).toEqual([]);
    const before = content;
    expect(before.equals(await buffer((await files.read(file, never)).content))).toBe(true);
    const next = randomBytes(2_000_003);
    await files.write(file, Readable.from([next]), never);
    expect(next.equals(content)).toBe(true);
    expect(served).toBe(3);
  });

  it.each([-10, 10])("know each other when the clock of the host is %i minutes off", async (minutes) => {
    const now = Date.now() + minutes * 60_000;
    server.become(await identity(authority, HOST, 1, { now }));
    const { agent } = await client(
      undefined,
      contextOf(await shown(authority, { now: Date.now() - minutes * 60_000 })),
    );
    expect((await agent.listSandboxes({})).sandboxes).toEqual([]);
  });

  it("the control plane asks nothing of a host of another authority", async () => {
    server.become({ ...(await identity(stranger, HOST, 1)), authority: authority.certificate });
    await expectNothing(await client());
  });

  it("the control plane asks nothing of another host, or of one that was registered anew since", async () => {
    server.become(await identity(authority, OTHER, 1));
    await expectNothing(await client());
    server.become(await identity(authority, HOST, 1));
    await expectNothing(await client({ id: HOST, registration: 2 }));
    expect((await (await client()).agent.listSandboxes({})).sandboxes).toEqual([]);
  });

  it("the control plane asks nothing of a host whose certificate has ended", async () => {
    server.become(await identity(authority, HOST, 1, { now: Date.now() - 2 * HOUR_MS }));
    await expectNothing(await client());
  });

  it("the control plane asks nothing of what shows the certificate of a control plane", async () => {
    server.become({ ...(await shown(authority)), authority: authority.certificate });
    await expectNothing(await client());
  });

  it("the host serves no control plane of another authority, or one whose certificate has ended", async () => {
    await expectNothing(await client(undefined, contextOf(await shown(stranger))));
    const ended = await shown(authority, { now: Date.now() - 2 * HOUR_MS });
    await expectNothing(await client(undefined, contextOf(ended)));
  });

  it("the host serves no other host, whatever the certificate is made out for", async () => {
    await expectNothing(await client(undefined, contextOf(await identity(authority, OTHER, 1))));
    const named = await shown(authority, {}, CERTIFICATE_NAMES.host(toWireId("host", OTHER), 1));
    await expectNothing(await client(undefined, contextOf(named)));
  });

  it("the host serves nobody in plain, and nobody without a certificate", async () => {
    const plain = connect(port, "127.0.0.1");
    plain.on("error", () => undefined);
    plain.write("GET /files?sandbox_id=sb1&path=/file HTTP/1.1\r\nHost: host\r\n\r\n");
    await new Promise((closed) => plain.once("close", closed));
    const bare = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
    bare.on("error", () => undefined);
    bare.write("GET /files?sandbox_id=sb1&path=/file HTTP/1.1\r\nHost: host\r\n\r\n");
    await new Promise((closed) => bare.once("close", closed));
    expect(served).toBe(0);
    expect(() => createHostClient(`http://127.0.0.1:${port}`)).toThrow(/https is a must/);
  });

  it("a host that was deleted serves nobody, and ends what it was serving", async () => {
    const known = await client();
    expect((await known.agent.listSandboxes({})).sandboxes).toEqual([]);
    const body = await known.files.read({ ...file, path: "/endless" }, never);
    served = 0;
    server.become(undefined);
    await expect(buffer(body.content)).rejects.toThrow();
    await expectNothing(known);
    await expectNothing(await client());
  });

  it("a renewed certificate breaks nothing, and the next connection has it", async () => {
    const known = await client();
    expect((await known.agent.listSandboxes({})).sandboxes).toEqual([]);
    const body = await known.files.read(file, never);
    server.become(await identity(authority, HOST, 2));
    expect(content.equals(await buffer(body.content))).toBe(true);
    expect((await known.agent.listSandboxes({})).sandboxes).toEqual([]);
    const next = await client({ id: HOST, registration: 2 });
    expect((await next.agent.listSandboxes({})).sandboxes).toEqual([]);
  });

  it("callers who say nothing shut nobody out", async () => {
    const silent = Array.from({ length: 300 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
    await Promise.all(silent.slice(-1).map((socket) => once(socket, "connect")));
    expect((await (await client()).agent.listSandboxes({})).sandboxes).toEqual([]);
    for (const socket of silent) socket.destroy();
  });

  it.each([
    ["no request", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"],
    ["nothing", ""],
  ])("a certificate is not given for %s", async (_what, pem) => {
    await expect(keyOfRequest(pem)).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("a certificate is not given for a key that the host has not shown to have", async () => {
    const { request } = await makeCertificateRequest();
    const der = Buffer.from(request.replace(/-----[A-Z ]+-----|\s/g, ""), "base64");
    der[der.length - 1]! ^= 1;
    const changed = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----`;
    await expect(keyOfRequest(changed)).rejects.toMatchObject({ code: "invalid_request" });
  });
});
