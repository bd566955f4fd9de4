import { describe, expect, it } from "vitest";
import { parseHostAddress, requireForeignPlace } from "./host-address.ts";

describe("the address of a host", () => {
  it("is a socket of this machine, or a port", () => {
    expect(parseHostAddress("unix:/run/agent.sock")).toEqual({ socketPath: "/run/agent.sock" });
    expect(parseHostAddress("https://192.0.2.7:443")).toEqual({ host: "192.0.2.7", port: 443 });
    expect(parseHostAddress("https://[2001:db8::7]:7443")).toEqual({ host: "2001:db8::7", port: 7443 });
    expect(parseHostAddress("https://host-2.example:7443")).toEqual({ host: "host-2.example", port: 7443 });
  });

  it.each([
    ["calls in plain", "http://192.0.2.7:7443"],
    ["no port", "https://192.0.2.7"],
    ["a port that is none", "https://192.0.2.7:65536"],
    ["a path", "https://192.0.2.7:7443/files"],
    ["a user", "https://user@192.0.2.7:7443"],
    ["another way to write 127.0.0.1", "https://0x7f.1:7443"],
    ["a number", "https://2130706433:7443"],
    ["other digits", "https://①②⑦.0.0.1:7443"],
    ["a zone", "https://[fe80::1%25eth0]:7443"],
    ["a relative path", "unix:agent.sock"],
    ["nothing", ""],
  ])("refuses %s", (_what, address) => {
    expect(() => parseHostAddress(address)).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });
});

describe("the address of a team's host", () => {
  const check = (address: string, networks: string[] = []) => requireForeignPlace(parseHostAddress(address), networks);

  it.each(["https://8.8.8.8:7443", "https://[2606:4700::1]:7443"])("may be public: %s", (address) => {
    expect(() => check(address)).not.toThrow();
  });

  it.each([
    "unix:/run/agent.sock",
    "https://metadata.example:80",
    "https://localhost:7443",
    "https://127.0.0.1:7443",
    "https://0.0.0.0:7443",
    "https://10.1.2.3:7443",
    "https://192.168.1.1:7443",
    "https://100.64.0.1:7443",
    "https://169.254.169.254:80",
    "https://168.63.129.16:80",
    "https://224.0.0.1:7443",
    "https://255.255.255.255:7443",
    "https://[::1]:7443",
    "https://[::]:7443",
    "https://[fe80::1]:7443",
    "https://[fd00::1]:7443",
    "https://[::ffff:7f00:1]:7443",
    "https://[64:ff9b::a00:1]:7443",
    "https://[2002:a00:1::1]:7443",
  ])("may not be %s", (address) => {
    expect(() => check(address)).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });

  it("may be in a network that the operator names", () => {
    const networks = ["10.1.0.0/16", "192.168.7.7", "fd00:1::/32"];
    for (const address of ["10.1.2.3", "192.168.7.7", "[fd00:1::1]"])
      expect(() => check(`https://${address}:7443`, networks)).not.toThrow();
    for (const address of ["10.2.0.1", "192.168.7.8", "[fd00:2::1]", "127.0.0.1"])
      expect(() => check(`https://${address}:7443`, networks)).toThrow(/WARREN_HOST_NETWORKS/);
    expect(() => check("unix:/run/agent.sock", networks)).toThrow();
  });
});
