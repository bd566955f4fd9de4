import { closeSync } from "node:fs";
import { access, constants, readFile } from "node:fs/promises";
import { arch, release } from "node:os";
import { DATABASE_IDS, describeOwners, findOwners, MICROVM_IDS } from "@warren/server/user-ids";
import { detectCgroups } from "../cgroup/detect.ts";
import { userfaultDescriptor } from "../linux/descriptors.ts";
import { firstLine, runProgram } from "../linux/programs.ts";
import { AddressPlan, DEFAULT_NETWORKS } from "../network/addresses.ts";
import { CONNECTION_LIMIT, CONNECTION_TABLE, HOST_CONNECTIONS } from "../network/connection-table.ts";
import { hostRules, sandboxRules } from "../network/firewall.ts";
import type { Check, Finding } from "./finding.ts";

const platform: Check = {
  name: "platform",
  async run() {
    const found = `${process.platform} ${release()} ${arch()}`;
    if (process.platform === "linux" && ["x64", "arm64"].includes(arch())) return { status: "ok", found };
    return { status: "fail", found, consequence: "sandboxes need Linux on x86-64 or arm64" };
  },
};

const root: Check = {
  name: "root",
  async run() {
    if (process.getuid?.() === 0) return { status: "ok", found: "yes" };
    return {
      status: "fail",
      found: `user id ${process.getuid?.()}`,
      consequence: "namespaces, tap devices and user ids of microVMs need root; other checks may fail for want of it",
    };
  },
};

const userIds: Check = {
  name: "user ids",
  async run() {
    for (const ids of [MICROVM_IDS, DATABASE_IDS]) {
      const owners = await findOwners(ids);
      if (owners.length > 0) return { status: "fail", found: describeOwners(ids, owners), consequence: ids.remedy };
    }
    return { status: "ok", found: "those of microVMs and of the embedded database are nobody else's" };
  },
};

const namespaces: Check = {
  name: "namespaces",
  async run() {
    const outcome = await runProgram("unshare", ["--net", "--mount", "true"]);
    if (outcome.status === 0) return { status: "ok", found: "network and mount namespaces can be made" };
    return { status: "fail", found: firstLine(outcome), consequence: "microVMs have network namespaces of their own" };
  },
};

const tun: Check = {
  name: "tun",
  async run() {
    const made = await runProgram("unshare", ["--net", "ip", "tuntap", "add", "warren-probe", "mode", "tap"]);
    if (made.status === 0) return { status: "ok", found: "a tap device could be made" };
    return {
      status: "fail",
      found: firstLine(made),
      consequence:
        "microVMs have no network without tap devices: load the module tun, or give the container /dev/net/tun",
    };
  },
};

const nftables: Check = {
  name: "nftables",
  async run() {
    const rules = hostRules(DEFAULT_NETWORKS, []) + sandboxRules(new AddressPlan().slot(1), []);
    const applied = await runProgram("unshare", ["--net", "nft", "-f", "-"], { input: rules });
    if (applied.status === 0) return { status: "ok", found: "the rules of sandboxes can be applied" };
    return {
      status: "fail",
      found: firstLine(applied),
      consequence:
        "nothing would keep sandboxes from the host and from each other: the kernel needs nf_tables with NAT",
    };
  },
};

const connections: Check = {
  name: "connections",
  async run() {
    const text = await readFile(CONNECTION_TABLE, "utf8").catch(() => undefined);
    // Connections have been tracked nowhere on this machine so far: the first slot loads the module.
    if (text === undefined) return { status: "ok", found: "no table yet" };
    const writable = await access(CONNECTION_TABLE, constants.W_OK).then(
      () => true,
      () => false,
    );
    return describeConnectionTable(Number(text), writable);
  },
};

/** What follows from the size of the host's table of connections, and from whether it can grow with the sandboxes. */
export function describeConnectionTable(size: number, canGrow: boolean): Omit<Finding, "check"> {
  const found = size === 0 ? "a table without bound" : `a table of ${size}`;
  if (size === 0 || canGrow)
    return { status: "ok", found: size === 0 ? found : `${found}, which grows with the sandboxes` };
  const sandboxes = Math.max(0, Math.floor((size - HOST_CONNECTIONS) / CONNECTION_LIMIT));
  return {
    status: "warn",
    found: `${found}, which this user cannot change`,
    consequence:
      `more than ${sandboxes} sandboxes could leave the host no connections of its own: have net.netfilter.nf_conntrack_max ` +
      `set to ${CONNECTION_LIMIT} for each sandbox and ${HOST_CONNECTIONS}`,
  };
}

const cgroups: Check = {
  name: "cgroups",
  async run() {
    const { version, notice } = await detectCgroups();
    if (version === "none") return { status: "warn", found: "none", consequence: notice ?? "microVMs are not bounded" };
    return notice ? { status: "warn", found: version, consequence: notice } : { status: "ok", found: version };
  },
};

const deviceMapper: Check = {
  name: "device-mapper",
  async run() {
    const devices = await readFile("/proc/misc", "utf8").catch(() => "");
    if (/ device-mapper$/m.test(devices)) return { status: "ok", found: "in the kernel" };
    const loadable = (await runProgram("modprobe", ["--dry-run", "dm-snapshot"])).status === 0;
    if (loadable) return { status: "ok", found: "a module that can be loaded" };
    return { status: "warn", found: "none", consequence: "disks are qcow2 overlays, which Firecracker cannot use" };
  },
};

const userfaultfd: Check = {
  name: "userfaultfd",
  async run() {
    try {
      closeSync(userfaultDescriptor());
      return { status: "ok", found: "available" };
    } catch (error) {
      return {
        status: "warn",
        found: `refused (${(error as NodeJS.ErrnoException).code})`,
        consequence:
          "restored memory is always mapped from files, never paged in by the page server that Firecracker needs",
      };
    }
  },
};

/** Checks of the kernel and of what this user may do with it. */
export function kernelChecks(): Check[] {
  return [platform, root, userIds, namespaces, tun, nftables, connections, cgroups, deviceMapper, userfaultfd];
}
