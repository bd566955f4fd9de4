import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import type { AdminSandboxPage } from "@warren/contracts/rest/admin-lists";
import type { Host, HostCredentials, HostToken, NewHost } from "@warren/contracts/rest/hosts";
import { createLogger } from "@warren/control-plane/logging";
import { makeCertificateRequest } from "@warren/host-agent/link/certificate-request";
import { serveSecurely } from "@warren/host-agent/rpc/secure-server";
import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort, HostMachine, type RunningHost } from "./support/joined-host.ts";
import { bundleFakeHostAgent, type Stack, startStack } from "./support/stack.ts";

const ADMIN = { email: "admin@example.org", password: "the password of the admin" };

let stack: Stack;
let machine: HostMachine;
let place: string;
let id: string;
let host: RunningHost;
let sandbox: Sandbox;
let session: string;
beforeAll(async () => {
  const program = await bundleFakeHostAgent();
  const admin = { WARREN_ADMIN_EMAIL: ADMIN.email, WARREN_ADMIN_PASSWORD: ADMIN.password };
  [stack, machine] = [
    await startStack({ WARREN_WARM_POOL: "0" }, admin, undefined, program),
    await HostMachine.make(program),
  ];
  place = `127.0.0.1:${await freePort()}`;
  session = (await send<{ token: string }>("POST", "/v1/auth/login", ADMIN)).token;
});
afterAll(async () => {
  await machine?.remove();
  await stack?.dispose();
});

async function send<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${stack.url}${path}`, {
    method,
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...(session && { authorization: `Bearer ${session}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

const newHost = () => send<NewHost>("POST", "/v1/hosts", { type: "regular" });
const statusOf = async (hostId: string) => (await send<Host>("GET", `/v1/hosts/${hostId}`)).status;
const joinWith = (token: string, address = place) =>
  machine.start(
    ["join", "--control-plane", stack.url, "--token", "-", "--listen", place, "--address", address, "--json"],
    {
      input: `${token}\n`,
    },
  );

it("says what is wrong with a control plane or a token, and joins nothing", async () => {
  const words = (url: string) => ["join", "--control-plane", url, "--token", "f".repeat(64)];
  expect((await machine.run(["join", "--control-plane", stack.url])).said).toContain("needs a registration token");
  const nobody = await machine.run(words(`http://127.0.0.1:${await freePort()}`));
  expect(nobody).toMatchObject({ status: 1, said: expect.stringMatching(/does not answer: .*ECONNREFUSED/) });
  expect((await machine.run(words("http://192.0.2.1"))).said).toContain("use https");
  expect((await machine.run(words(`${stack.url}/v1`))).said).toContain("no control plane");
  const foreign = await joinWith("f".repeat(64)).ended;
  expect(foreign).toMatchObject({
    status: 1,
    said: expect.stringMatching(/does not take this registration token.*host create/),
  });
  expect((await machine.run(["status"])).status).toBe(1);
});

it("says that the control plane does not reach it at its address, and takes another one with another token", async () => {
  const made = await newHost();
  id = made.host.id;
  host = joinWith(made.registration_token, `127.0.0.1:${await freePort()}`);
  expect((await host.ready).notes.join()).toMatch(/cannot reach this host at .*ECONNREFUSED/);
  expect(await statusOf(id)).toBe("pending");
  await host.stop();
  const moved = await machine.run(["join", "--address", place]);
  expect(moved.said).toContain("needs a registration token");
  expect((await joinWith(made.registration_token).ended).said).toContain("does not take this registration token");
  const again = await send<HostToken>("POST", `/v1/hosts/${id}/token`);
  host = joinWith(again.registration_token);
  expect(await host.ready).toMatchObject({ host_id: id, address: place, control_plane: stack.url });
  expect(await statusOf(id)).toBe("online");
  expect((await send<Host>("GET", `/v1/hosts/${id}`)).address).toBe(`https://${place}`);
});

it("keeps what it is given for its user alone", async () => {
  expect(await machine.modeOf()).toBe(0o700);
  for (const name of ["host-credentials.json", "host.json"]) expect(await machine.modeOf(name)).toBe(0o600);
  expect((await machine.run(["status"])).said).toMatch(new RegExp(`${id}[^]*runs`));
});

it("runs sandboxes, over a connection on which both ends know each other", async () => {
  await send("POST", `/v1/hosts/${id}/tags`, { tag: "joined" });
  sandbox = await stack.warren.sandboxes.create({ hostTags: ["joined"] });
  const { items } = await send<AdminSandboxPage>("GET", "/v1/admin/sandboxes");
  expect(items.find((item) => item.id === sandbox.id)?.host_id).toBe(id);
  expect((await sandbox.exec("sh", ["-c", "echo kept | tee state"])).stdout).toBe("kept\n");
});

it("answers nobody in plain", async () => {
  const [name, port] = place.split(":");
  for (const words of ["GET /files?path=/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]) {
    const socket = connect(Number(port), name);
    socket.on("error", () => undefined).end(words);
    const parts: Buffer[] = [];
    socket.on("data", (part: Buffer) => parts.push(part));
    await once(socket, "close");
    // At most an alert of TLS, which is no answer.
    expect(Buffer.concat(parts).length).toBeLessThan(16);
  }
});

it("starts again without a token, and its sandboxes run on", async () => {
  expect((await host.stop()).status).toBe(0);
  expect((await machine.run(["status"])).status).toBe(3);
  host = machine.start(["join", "--json"]);
  expect(await host.ready).toMatchObject({ host_id: id, address: place, notes: expect.anything() });
  await expect
    .poll(() => sandbox.exec("cat", ["state"]).then(({ stdout }) => stdout, String), { timeout: 30_000 })
    .toBe("kept\n");
});

it("is not mistaken for another host that is at its address", async () => {
  const other = await newHost();
  const { key, request: csr_pem } = await makeCertificateRequest();
  const address = `https://127.0.0.1:${await freePort()}`;
  const request = { token: other.registration_token, address, csr_pem };
  const given = await send<HostCredentials>("POST", "/v1/hosts/register", request);
  await host.stop();
  let served = 0;
  const service = new Proxy({}, { get: () => () => ++served });
  const impostor = await serveSecurely(
    { host: "127.0.0.1", port: Number(place.split(":")[1]) },
    { service: service as never, files: () => ++served },
    createLogger("silent"),
  );
  impostor.become({ key, certificate: given.cert_pem!, authority: given.ca_cert_pem! });
  await expect(sandbox.exec("true")).rejects.toMatchObject({ code: "host_unavailable" });
  expect(served).toBe(0);
  await impostor.close();
  await send("DELETE", `/v1/hosts/${other.host.id}`);
});

it("is no host of two control planes, and leaves one when it has no sandboxes there", async () => {
  const elsewhere = stack.url.replace("127.0.0.1", "localhost");
  const refused = await machine.run(["join", "--control-plane", elsewhere, "--token", "f".repeat(64)]);
  expect(refused.said).toContain("host leave");
  expect((await machine.run(["leave"])).said).toContain("Sandboxes are left: 1 running");
  await send("DELETE", `/v1/hosts/${id}?force=true`);
  host = machine.start(["join", "--json"]);
  const { status, said } = await host.ended;
  expect([status, said]).toEqual([0, expect.stringContaining("has deleted this host")]);
  expect((await machine.run(["leave", "--force"])).status).toBe(0);
  expect((await machine.run(["status"])).status).toBe(1);
  await expect(readFile(`${machine.directory}/host-credentials.json`)).rejects.toThrow("ENOENT");
});
