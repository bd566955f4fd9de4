import { execFileSync, spawn } from "node:child_process";
import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import type { Sandbox } from "@warren/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "./support/stack.ts";

const NAMESPACE = "warrentest-outside";
const LINK = "warrentest0";
/** Stands for the internet, on an interface in a namespace of this test: of a block for multicast relays (RFC 7450). */
const PUBLIC = "192.52.193.10";
/** Addresses that guests must not reach, each on the same interface, so that only a rule can stop a packet. */
const FORBIDDEN = ["169.254.169.254", "168.63.129.16", "10.77.0.10", "192.168.77.10", "100.64.0.10", "203.0.113.10"];
const PORT = 8099;

const ip = (...args: string[]) => execFileSync("ip", args, { stdio: ["ignore", "pipe", "pipe"] });

/** A script that connects and prints what it got. */
const CONNECT = `
import socket, sys
try:
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=4)
    print("answer:", s.recv(100).decode())
except OSError as error:
    print("none:", error)
`;

describe("the network of a sandbox", () => {
  let stack: Stack;
  let sandbox: Sandbox;
  let neighbour: Sandbox;
  let hostServer: Server;
  let outsideServer: ReturnType<typeof startOutsideServer>;

  beforeAll(async () => {
    ip("netns", "add", NAMESPACE);
    ip("link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", NAMESPACE);
    ip("addr", "add", "198.51.100.1/24", "dev", LINK);
    ip("link", "set", LINK, "up");
    ip("-n", NAMESPACE, "link", "set", "lo", "up");
    ip("-n", NAMESPACE, "addr", "add", "198.51.100.2/24", "dev", "eth0");
    ip("-n", NAMESPACE, "link", "set", "eth0", "up");
    ip("-n", NAMESPACE, "route", "add", "default", "via", "198.51.100.1");
    for (const address of [PUBLIC, ...FORBIDDEN]) {
      ip("-n", NAMESPACE, "addr", "add", `${address}/32`, "dev", "eth0");
      ip("route", "add", `${address}/32`, "via", "198.51.100.2");
    }
    outsideServer = startOutsideServer();
    await outsideServer.ready;
    hostServer = createServer((socket) => socket.end("host"));
    await new Promise<void>((resolve) => hostServer.listen(PORT, "0.0.0.0", resolve));
    stack = await startStack();
    [sandbox, neighbour] = await Promise.all([
      stack.warren.sandboxes.create({ memoryMb: 128 }),
      stack.warren.sandboxes.create({ memoryMb: 128 }),
    ]);
    const server = `import socket
s = socket.create_server(("0.0.0.0", ${PORT}))
print("listening", flush=True)
while True:
    c, _ = s.accept(); c.sendall(b"neighbour"); c.close()`;
    const listening = await neighbour.stream("python3", ["-c", server]);
    await listening.stdout.take(1).toArray();
  });
  afterAll(async () => {
    await stack?.dispose();
    hostServer?.close();
    outsideServer?.stop();
    for (const address of [PUBLIC, ...FORBIDDEN]) {
      execFileSync("ip", ["route", "del", `${address}/32`], { stdio: "ignore" });
    }
    execFileSync("ip", ["netns", "del", NAMESPACE], { stdio: "ignore" });
  });

  const connect = async (from: Sandbox, address: string, port = PORT) =>
    (await from.exec("python3", ["-c", CONNECT, address, String(port)])).stdout.trim();

  it("leads to the outside, under an address of the host", async () => {
    expect(await connect(sandbox, PUBLIC)).toBe("answer: outside sees 198.51.100.1");
  });

  it.each(FORBIDDEN)("does not lead to %s", async (address) => {
    expect(await connect(sandbox, address)).toMatch(/^none:/);
  });

  it("does not lead to any address of the host", async () => {
    const addresses = Object.values(networkInterfaces())
      .flat()
      .filter((entry) => entry?.family === "IPv4" && !entry.internal)
      .map((entry) => entry?.address ?? "");
    expect(addresses.length).toBeGreaterThan(0);
    for (const address of [...addresses.slice(0, 6), "169.254.0.22"]) {
      expect(await connect(sandbox, address), address).toMatch(/^none:/);
    }
  });

  it("does not lead to another sandbox, whose server does answer the host", async () => {
    const address = neighbour.fields.host_ip ?? "";
    expect(await fetchText(address)).toBe("neighbour");
    expect(await connect(sandbox, address)).toMatch(/^none:/);
    expect(await connect(sandbox, address, 49983)).toMatch(/^none:/);
  });

  it("leads from the host to a sandbox for root only", async () => {
    const address = neighbour.fields.host_ip ?? "";
    expect(await fetchText(address)).toBe("neighbour");
    const nobody = { encoding: "utf8", uid: 65_534, gid: 65_534 } as const;
    for (const port of [PORT, 49983]) {
      expect(execFileSync("python3", ["-c", CONNECT, address, String(port)], nobody)).toMatch(/^none:/);
    }
  });

  it("gives programs of a sandbox no say over it: what the guest agent does for the host, it refuses them", async () => {
    for (const address of ["127.0.0.1", "169.254.0.21"]) {
      for (const endpoint of ["init", "freeze", "poweroff"]) {
        const url = `http://${address}:49983/${endpoint}`;
        const { stdout } = await sandbox.exec("curl", ["-sS", "-X", "POST", "-d", "{}", "-w", "%{http_code}", url]);
        expect(stdout, url).toMatch(/(for the host only|access token).*40[13]$/);
      }
      const init = await sandbox.exec("curl", ["-sS", "-X", "POST", "-d", "{}", `http://${address}:49983/init`]);
      expect(init.stdout).toContain("for the host only");
    }
    expect((await sandbox.exec("echo", ["on"])).stdout).toBe("on\n");
  });

  it("does not let a sandbox be reached from outside", async () => {
    const address = sandbox.fields.host_ip ?? "";
    const attempt = execFileSync("ip", ["netns", "exec", NAMESPACE, "python3", "-c", CONNECT, address, "49983"], {
      encoding: "utf8",
    });
    expect(attempt).toMatch(/^none:/);
  });

  async function fetchText(address: string): Promise<string> {
    return execFileSync("python3", ["-c", CONNECT, address, String(PORT)], { encoding: "utf8" })
      .trim()
      .replace("answer: ", "");
  }
});

/** A server in the namespace of this test that tells its clients under which address it sees them. */
function startOutsideServer() {
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const script = `import socket
s = socket.create_server(("0.0.0.0", ${PORT}))
print("listening", flush=True)
while True:
    c, peer = s.accept(); c.sendall(("outside sees " + peer[0]).encode()); c.close()`;
  const child = spawn("ip", ["netns", "exec", NAMESPACE, "python3", "-c", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.once("data", () => resolve());
  return { ready, stop: () => child.kill("SIGKILL") };
}
