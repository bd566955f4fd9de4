import { describe, expect, it } from "vitest";
import { AddressPolicy, parseAllowedNetworks } from "./address-policy.ts";

describe("addresses", () => {
  const refused = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%lo",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::",
    "2001:0::1",
    "hooks.example.org",
    "",
  ];
  it("that are not public are refused, and public ones are not", () => {
    const policy = new AddressPolicy([]);
    expect(refused.filter((address) => policy.allows(address))).toEqual([]);
    expect(["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"].filter((address) => !policy.allows(address))).toEqual([]);
  });

  it("of networks that the settings name are allowed", () => {
    const policy = new AddressPolicy(parseAllowedNetworks("10.1.0.0/16, fd00:1::/64,127.0.0.1"));
    expect(["10.1.2.3", "::ffff:10.1.2.3", "fd00:1::7", "127.0.0.1"].every((each) => policy.allows(each))).toBe(true);
    expect(["10.2.0.1", "fd00:2::7", "127.0.0.2"].some((each) => policy.allows(each))).toBe(false);
    expect(new AddressPolicy(parseAllowedNetworks("1")).allows("169.254.169.254")).toBe(true);
    for (const bad of ["yes", "10.0.0.0/33", "300.1.1.1", "10"]) expect(() => parseAllowedNetworks(bad)).toThrow(bad);
  });
});
