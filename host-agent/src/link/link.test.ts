import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseControlPlaneUrl } from "./control-plane.ts";
import { CredentialFile, CredentialMemory, type CredentialStore } from "./credentials.ts";
import { Link } from "./link.ts";
import { type Answer, ControlPlane, HOST, REPORT } from "./testing/control-plane.ts";

/** What a control plane says of a host that it does not have. */
const UNKNOWN = { status: 404, body: { error: { code: "not_found", message: "the host was deleted" } } };
/** Milliseconds after which the next sign of life is given, in tests. */
const SOON = 20;

describe("the tie of a host to its control plane", () => {
  let directory: string;
  let plane: ControlPlane;
  const links: Link[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "warren-link-"));
    plane = new ControlPlane();
    await plane.start();
  });
  afterEach(async () => {
    await Promise.all(links.splice(0).map((link) => link.close()));
    plane.close();
    await rm(directory, { recursive: true });
  });

  const open = async (intervalMs = 3_600_000, credentials: CredentialStore = new CredentialFile(directory)) => {
    const link = await Link.open({
      credentials,
      address: "unix:/run/agent.sock",
      report: async () => REPORT,
      loss: { over: () => undefined, missed: () => undefined, close: () => undefined },
      log: pino({ level: "silent" }),
      intervalMs,
    });
    links.push(link);
    return link;
  };
  const stored = async () => JSON.parse(await readFile(join(directory, "host-credentials.json"), "utf8"));
  const request = (token = "", url = plane.url) => ({ controlPlaneUrl: url, hostId: HOST, token });

  it("registers with all that the host says of itself, and keeps what it is given for root alone", async () => {
    expect(await (await open()).join(request("once"))).toBe(true);
    const { calls } = plane;
    expect(calls).toEqual([
      {
        path: "/v1/hosts/register",
        token: undefined,
        body: { token: "once", address: "unix:/run/agent.sock", ...REPORT },
      },
    ]);
    expect(await stored()).toEqual({
      ...{ controlPlaneUrl: plane.url, hostId: HOST, token: "token-2", refreshToken: "refresh-2" },
    });
    expect((await stat(join(directory, "host-credentials.json"))).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["host-credentials.json"]);
  });

  it("gives a sign of life at once when it starts with credentials, and again and again", async () => {
    await (await open()).join(request("once"));
    const first = plane.next();
    await open(SOON);
    await first;
    expect(plane.calls.at(-1)).toMatchObject({ path: `/v1/hosts/${HOST}/heartbeat`, token: "token-2", body: REPORT });
    await expect.poll(() => plane.count("/heartbeat")).toBeGreaterThan(3);
  });

  it("renews its credentials once they are refused, and keeps them before it uses them", async () => {
    const link = await open(SOON);
    await link.join(request("once"));
    for (const status of [401, 403]) {
      const before = (await stored()).token;
      let refused = true;
      plane.answer = (path) => {
        if (!path.endsWith("/heartbeat") || !refused) return undefined;
        refused = false;
        return { status };
      };
      await expect.poll(async () => (await stored()).token).not.toBe(before);
      await expect.poll(() => plane.calls.at(-1)).toMatchObject({ path: expect.stringMatching(/heartbeat$/) });
      expect(await stored()).toMatchObject({ token: plane.valid });
    }
    expect(plane.count("/refresh")).toBe(2);
    expect(plane.calls.find(({ path }) => path.endsWith("/refresh"))?.body).toEqual({ refresh_token: "refresh-2" });
  });

  it.each<[string, Answer]>([
    ["an error of the server", { status: 500 }],
    ["a refusal for a while", { status: 429 }],
    ["a redirection", { status: 302 }],
    ["a word of somebody else", { status: 418 }],
    ["the 404 of a proxy", { status: 404, body: { error: "no upstream" } }],
    ["a broken connection", "nothing"],
    ["an answer without an end", "endless"],
  ])("takes %s for no answer: it goes on, and keeps its credentials", async (_name, answer) => {
    const link = await open(SOON);
    await link.join(request("once"));
    const before = await stored();
    plane.answer = (path) => (path.endsWith("/heartbeat") ? answer : undefined);
    await expect.poll(() => plane.count("/heartbeat")).toBeGreaterThan(2);
    await expect(link.join(request())).rejects.toMatchObject({ code: "server_unreachable" });
    plane.answer = () => undefined;
    expect(await link.join(request())).toBe(true);
    expect([await stored(), plane.count("/refresh")]).toEqual([before, 0]);
  });

  it("says that it is not tied when neither token is taken, and goes on to try", async () => {
    const link = await open(SOON);
    await link.join(request("once"));
    plane.answer = () => ({ status: 401 });
    expect(await link.join(request())).toBe(false);
    await expect.poll(() => plane.count("/refresh")).toBeGreaterThan(2);
    plane.answer = () => undefined;
    expect(await link.join(request())).toBe(true);
  });

  it("forgets the credentials of a host that was deleted", async () => {
    const link = await open(SOON);
    await link.join(request("once"));
    plane.answer = (path) => (path.endsWith("/heartbeat") ? UNKNOWN : undefined);
    await expect.poll(() => readdir(directory)).toEqual([]);
    const count = plane.calls.length;
    expect(await link.join(request())).toBe(false);
    expect(plane.calls.length).toBe(count);
    plane.answer = () => undefined;
    expect(await link.join(request("again"))).toBe(true);
  });

  it("shows the credentials of no other host, and moves with its control plane to another address", async () => {
    const link = await open();
    expect(await link.join(request())).toBe(false);
    await link.join(request("once"));
    expect(await link.join({ ...request(), hostId: "host-0000000000000000000000002" })).toBe(false);
    const moved = plane.url.replace("127.0.0.1", "localhost");
    expect(await link.join(request("", moved))).toBe(true);
    expect((await stored()).controlPlaneUrl).toBe(moved);
  });

  it("shows its credentials where its control plane is now when it starts again", async () => {
    await (await open()).registerOnce(plane.url, "once");
    const moved = plane.url.replace("127.0.0.1", "localhost");
    const beats = plane.count("/heartbeat");
    await (await open()).registerOnce(moved, undefined);
    expect((await stored()).controlPlaneUrl).toBe(moved);
    // One to the former address, at its start, and one to the new one.
    await expect.poll(() => plane.count("/heartbeat")).toBe(beats + 2);
    expect(plane.count("/register")).toBe(1);
  });

  it("registers anew when it is told to, and keeps what it has when that is refused", async () => {
    const link = await open();
    await link.registerOnce(plane.url, "once");
    await link.registerOnce(plane.url, "again", { anew: true });
    const second = await stored();
    expect([plane.count("/register"), second.token]).toEqual([2, "token-3"]);
    plane.answer = () => ({ status: 401, body: { error: { code: "unauthorized", message: "used" } } });
    await expect(link.registerOnce(plane.url, "once", { anew: true })).rejects.toMatchObject({ code: "unauthorized" });
    expect(await stored()).toEqual(second);
  });

  it("without credentials and without a token it says what is missing", async () => {
    await expect((await open()).registerOnce(plane.url, undefined)).rejects.toThrow("WARREN_HOST_TOKEN");
  });

  it("writes down later what the disk does not take at first, and gives signs of life meanwhile", async () => {
    const disk = new CredentialMemory();
    let isFull = false;
    const store: CredentialStore = {
      read: () => disk.read(),
      write: async (credentials) => {
        if (isFull) throw new Error("no space left on device");
        await disk.write(credentials);
      },
      remove: () => disk.remove(),
    };
    await (await open(SOON, store)).join(request("once"));
    isFull = true;
    plane.valid = "another";
    await expect.poll(() => plane.count("/refresh")).toBe(1);
    const before = plane.count("/heartbeat");
    await expect.poll(() => plane.count("/heartbeat")).toBeGreaterThan(before + 1);
    expect((await disk.read())?.token).toBe("token-2");
    isFull = false;
    await expect.poll(async () => (await disk.read())?.token).toBe("token-3");
    expect(plane.count("/refresh")).toBe(1);
  });

  it("ends at once while the control plane does not answer", async () => {
    const link = await open(SOON);
    await link.join(request("once"));
    plane.answer = () => "silence";
    await plane.next();
    const began = performance.now();
    await link.close();
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it.each([401, 400, 409, 500])("a registration that is answered with %i changes nothing", async (status) => {
    plane.answer = () => ({ status, body: { error: { code: "x", message: "why" } } });
    await expect((await open()).join(request("bad"))).rejects.toThrow("why");
    expect(await readdir(directory)).toEqual([]);
  });

  it("registers where it is told to at its start, unless it has registered before", async () => {
    const start = async () => (await open()).registerOnce(plane.url, "once");
    await start();
    await start();
    expect(plane.count("/register")).toBe(1);
    await rm(join(directory, "host-credentials.json"));
    plane.answer = () => ({ status: 401, body: { error: { code: "unauthorized", message: "used" } } });
    await expect(start()).rejects.toMatchObject({ code: "unauthorized" });
  });

  it.each([
    "http://192.0.2.1",
    "ftp://127.0.0.1",
    "127.0.0.1:3000",
    "http://user:word@127.0.0.1",
    "http://127.evil.example",
  ])("sends no token to %s", async (url) => {
    await expect((await open()).join(request("once", url))).rejects.toMatchObject({ code: "invalid_request" });
  });

  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const beyondLoopback = own.find(({ internal, family }) => !internal && family === "IPv4")?.address;
  it.skipIf(beyondLoopback === undefined)("takes a control plane at an address of this machine", () => {
    expect(parseControlPlaneUrl(`http://${beyondLoopback}:3000/`)).toBe(`http://${beyondLoopback}:3000`);
  });

  it.each(["", "{", "[]", "null", '{"hostId":1}'])(
    "starts without credentials where the file has %j",
    async (content) => {
      await writeFile(join(directory, "host-credentials.json"), content);
      const link = await open();
      expect(await link.join(request())).toBe(false);
      expect(await link.join(request("once"))).toBe(true);
    },
  );
});
