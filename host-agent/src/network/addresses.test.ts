import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AddressPlan,
  contains,
  DEFAULT_NETWORKS,
  FORBIDDEN_BLOCKS,
  formatAddress,
  overlap,
  parseAddress,
  parseBlock,
} from "./addresses.ts";
import { IPV4_REGISTRY } from "./testing/special-purpose.ts";

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const block = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([any, prefixLength]) => ({
  first: any - (any % 2 ** (32 - prefixLength)),
  prefixLength,
}));

describe("addresses", () => {
  it("are read as they are written", () => {
    fc.assert(
      fc.property(address, (number) => {
        expect(parseAddress(formatAddress(number))).toBe(number);
      }),
    );
    expect(formatAddress(0)).toBe("0.0.0.0");
    expect(formatAddress(2 ** 32 - 1)).toBe("255.255.255.255");
  });

  it("are not read from anything else", () => {
    for (const text of [
      "",
      "1.2.3",
      "1.2.3.4.5",
      "256.0.0.1",
      "01.2.3.4",
      "1.2.3.-4",
      " 1.2.3.4",
      "1.2.3.4\n",
      "1..3.4",
      "::1",
    ]) {
      expect(parseAddress(text)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        const number = parseAddress(text);
        if (number !== undefined) expect(formatAddress(number)).toBe(text);
      }),
    );
  });
});

describe("blocks", () => {
  it("are read from CIDR notation", () => {
    fc.assert(
      fc.property(block, ({ first, prefixLength }) => {
        expect(parseBlock(`${formatAddress(first)}/${prefixLength}`)).toEqual({ first, prefixLength });
      }),
    );
    expect(parseBlock("10.11.0.7")).toEqual({ first: 10 * 2 ** 24 + 11 * 2 ** 16 + 7, prefixLength: 32 });
  });

  it.each([
    "10.11.0.1/16",
    "10.11.0.0/33",
    "10.11.0.0/",
    "10.11/16",
    "/16",
    "10.11.0.0/16 ",
    "10.11.0.0/-1",
    "fd00::/8",
  ])("are not read from %j", (text) => {
    expect(() => parseBlock(text)).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });

  it("overlap when they have an address in common", () => {
    fc.assert(
      fc.property(block, block, (one, other) => {
        const last = ({ first, prefixLength }: typeof one) => first + 2 ** (32 - prefixLength) - 1;
        const common = Math.max(one.first, other.first) <= Math.min(last(one), last(other));
        expect(overlap(one, other)).toBe(common);
        expect(overlap(other, one)).toBe(common);
      }),
    );
  });
});

describe("the forbidden blocks", () => {
  const isForbidden = (text: string) => FORBIDDEN_BLOCKS.some((block) => contains(parseBlock(block), parseBlock(text)));

  it("hold IANA's whole registry but for the blocks of public servers, and the endpoints of clouds", () => {
    const open = IPV4_REGISTRY.filter(({ block }) => !isForbidden(block));
    expect(open.map(({ block }) => block)).toEqual(["192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24"]);
    expect(open.every(({ global }) => global)).toBe(true);
    for (const endpoint of ["168.63.129.16", "169.254.169.254", "100.100.100.200", "192.0.0.192", "224.0.0.1"]) {
      expect(isForbidden(endpoint)).toBe(true);
    }
  });

  it("hold nothing else", () => {
    const registered = [...IPV4_REGISTRY.map(({ block }) => block), "224.0.0.0/4", "168.63.129.16/32"];
    for (const block of FORBIDDEN_BLOCKS) expect(registered).toContain(block);
  });
});

describe("the address plan", () => {
  it("gives slot n the n-th address and the n-th pair", () => {
    expect(new AddressPlan().slot(300)).toEqual({
      number: 300,
      namespace: "warren-ns-300",
      veth: "warren-v300",
      hostIp: "10.11.1.44",
      vethIp: "10.12.2.88",
      peerIp: "10.12.2.89",
    });
    expect(new AddressPlan().highestSlot).toBe(32_767);
  });

  const plan = fc
    .record({
      guests: fc.integer({ min: 8, max: 30 }),
      links: fc.integer({ min: 8, max: 30 }),
    })
    .map(
      ({ guests, links }) =>
        new AddressPlan({ guests: `10.0.0.0/${Math.max(9, guests)}`, links: `10.128.0.0/${Math.max(9, links)}` }),
    );
  const planAndSlots = plan.chain((any) => {
    const number = fc.integer({ min: 1, max: any.highestSlot });
    return fc.tuple(fc.constant(any), number, number);
  });

  it("gives no two slots a name or an address in common, and none beyond its networks", () => {
    fc.assert(
      fc.property(planAndSlots, ([any, one, other]) => {
        const names = [one, other].map((number) => {
          const { hostIp, vethIp, peerIp, namespace, veth } = any.slot(number);
          expect(any.conflict(parseBlock(hostIp))).toBe(any.networks.guests);
          expect(any.conflict(parseBlock(vethIp))).toBe(any.networks.links);
          expect(parseAddress(vethIp)! % 2).toBe(0);
          expect(parseAddress(peerIp)).toBe(parseAddress(vethIp)! + 1);
          expect(any.conflict(parseBlock(peerIp))).toBe(any.networks.links);
          expect(veth.length).toBeLessThanOrEqual(15);
          return [hostIp, vethIp, peerIp, namespace, veth];
        });
        expect(new Set(names.flat()).size).toBe(one === other ? 5 : 10);
      }),
    );
  });

  it("has no slot 0 and none above the highest", () => {
    fc.assert(
      fc.property(plan, (any) => {
        for (const number of [0, -1, 1.5, Number.NaN, any.highestSlot + 1]) {
          expect(() => any.slot(number)).toThrow(expect.objectContaining({ code: "invalid_request" }));
        }
      }),
    );
  });

  it.each([
    [{ guests: "10.11.0.0/16", links: "10.11.128.0/17" }, /overlap/],
    [{ guests: "8.8.0.0/16", links: DEFAULT_NETWORKS.links }, /8\.8\.0\.0\/16/],
    [{ guests: DEFAULT_NETWORKS.guests, links: "169.254.0.0/16" }, /169\.254\.0\.0\/16/],
    [{ guests: "0.0.0.0/0", links: DEFAULT_NETWORKS.links }, /0\.0\.0\.0\/0/],
    [{ guests: "10.11.0.0/31", links: DEFAULT_NETWORKS.links }, /too small/],
    [{ guests: DEFAULT_NETWORKS.guests, links: "10.12.0.0/31" }, /too small/],
    [{ guests: "10.11.0.0/16; flush ruleset", links: DEFAULT_NETWORKS.links }, /no IPv4 network/],
  ])("refuses %j", (networks, message) => {
    expect(() => new AddressPlan(networks)).toThrow(
      expect.objectContaining({ code: "invalid_request", message: expect.stringMatching(message) as string }),
    );
  });
});
