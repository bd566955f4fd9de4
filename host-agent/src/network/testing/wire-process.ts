import { execFileSync } from "node:child_process";
import { openSync, read, write } from "node:fs";
import koffi from "koffi";
import { enterNamespace } from "../../linux/testing/namespace.ts";
import { GUEST_NETWORK } from "../network.ts";
import { answerCalls } from "./remote.ts";

const ioctl = koffi.load(null).func("int ioctl(int fd, unsigned long request, void *argument)");
/** linux/if_tun.h */
const TUNSETIFF = 0x400454ca;
const IFF_TAP_NO_PI = 0x0002 | 0x1000;
/** Longest frame, with room for what segmentation offloads hand over whole. */
const FRAME = 65_536;
/** Bytes of an Ethernet header, and where its type stands. */
const ETHERNET = 14;
const ETHERNET_TYPE = 12;
const TYPE_IPV4 = 0x0800;

const arrived: string[] = [];

/** Opens a tap as the VMM does. One that does not exist is made and goes with this process. */
function openTap(name: string): number {
  const fd = openSync("/dev/net/tun", "r+");
  const request = Buffer.alloc(40);
  request.write(name, 0);
  request.writeUInt16LE(IFF_TAP_NO_PI, 16);
  if (ioctl(fd, TUNSETIFF, request) !== 0) throw new Error(`TUNSETIFF ${name}: errno ${koffi.errno()}`);
  return fd;
}

/** Carries frames from one tap to another for as long as this process lives. */
function carry(from: number, to: number, note: (frame: Buffer) => void): void {
  const buffer = Buffer.alloc(FRAME);
  const next = () =>
    read(from, buffer, 0, FRAME, null, (error, length) => {
      if (error) throw error;
      note(buffer.subarray(0, length));
      // A frame that the other side cannot take, as before it is up, is lost as on a wire.
      write(to, buffer, 0, length, () => next());
    });
  next();
}

function plug(slotPath: string, guestPath: string): void {
  const { address, prefixLength, gateway, mac } = GUEST_NETWORK;
  enterNamespace(slotPath);
  const slotTap = openTap("tap0");
  enterNamespace(guestPath);
  const guestTap = openTap("eth0");
  const script = `
    echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
    ip link set lo up
    ip link set eth0 address ${mac}
    ip addr add ${address}/${prefixLength} dev eth0
    ip link set eth0 up
    ip route add default via ${gateway}`;
  execFileSync("sh", ["-ec", script]);
  carry(slotTap, guestTap, (frame) => {
    if (frame.readUInt16BE(ETHERNET_TYPE) === TYPE_IPV4) arrived.push(describe(frame.subarray(ETHERNET)));
  });
  carry(guestTap, slotTap, () => {});
}

/** Protocol and destination port of an IPv4 packet (RFC 791). */
function describe(packet: Buffer): string {
  const protocol = { 1: "icmp", 6: "tcp", 17: "udp" }[packet[9]!] ?? String(packet[9]);
  const header = (packet[0]! & 15) * 4;
  return protocol === "icmp" ? protocol : `${protocol} ${packet.readUInt16BE(header + 2)}`;
}

answerCalls({ plug, arrived: () => arrived });
