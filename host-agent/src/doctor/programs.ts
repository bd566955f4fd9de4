import { arch } from "node:os";
import { firstLine, runProgram } from "../linux/programs.ts";
import { parseQemuVersion } from "../vmm/qemu/version.ts";
import type { Check, Finding } from "./finding.ts";

/** A program that the host agent runs. */
interface Program {
  name: string;
  command: string;
  args: string[];
  /** Debian package that has it. */
  package: string;
  /** What it is for. */
  purpose: string;
  /** Version in what it prints; throws when it is too old. */
  version(output: string): string;
}

const PROGRAMS: Program[] = [
  {
    name: "QEMU",
    command: arch() === "arm64" ? "qemu-system-aarch64" : "qemu-system-x86_64",
    args: ["--version"],
    package: arch() === "arm64" ? "qemu-system-arm" : "qemu-system-x86",
    purpose: "microVMs run in it",
    version: (output) => parseQemuVersion(output).text,
  },
  {
    name: "mmdebstrap",
    command: "mmdebstrap",
    args: ["--version"],
    package: "mmdebstrap",
    purpose: "it builds the base image",
    version: secondWord,
  },
  {
    name: "mkfs.ext4",
    command: "mkfs.ext4",
    args: ["-V"],
    package: "e2fsprogs",
    purpose: "it builds the base image",
    version: secondWord,
  },
  {
    name: "Go",
    command: "go",
    args: ["version"],
    package: "golang-go",
    purpose: "it builds the guest agent",
    version: goVersion,
  },
  {
    name: "ip",
    command: "ip",
    args: ["-V"],
    package: "iproute2",
    purpose: "it makes the networks of sandboxes",
    version: (output) => /iproute2-([^,\s]+)/.exec(output)?.[1] ?? output,
  },
  {
    name: "qemu-img",
    command: "qemu-img",
    args: ["--version"],
    package: "qemu-utils",
    purpose: "it merges the disk layers of sandboxes that were paused often",
    version: (output) => /version ([^\s(]+)/.exec(output)?.[1] ?? output,
  },
];

/** Checks of the programs that are needed, each by its version. */
export function programChecks(): Check[] {
  return PROGRAMS.map((program) => ({ name: program.name, run: () => checkProgram(program) }));
}

async function checkProgram(program: Program): Promise<Omit<Finding, "check">> {
  const outcome = await runProgram(program.command, program.args);
  if (outcome.status === undefined) return lack(program, "not installed");
  if (outcome.status !== 0) return lack(program, `${program.command} does not work: ${firstLine(outcome)}`);
  try {
    return { status: "ok", found: program.version(firstLine(outcome)) };
  } catch (error) {
    return lack(program, (error as Error).message);
  }
}

/** What is missing is no obstacle where the launcher can install it. */
async function lack(program: Program, found: string): Promise<Omit<Finding, "check">> {
  const installable = (await runProgram("apt-get", ["--version"])).status === 0;
  return installable
    ? {
        status: "warn",
        found,
        consequence: `the first start installs the package ${program.package}: ${program.purpose}`,
      }
    : { status: "fail", found, consequence: `install what Debian calls ${program.package}: ${program.purpose}` };
}

/** Version in such as "mmdebstrap 1.3.5" and "nft v1.0.6 (Lester Gooch)". */
function secondWord(output: string): string {
  return output.split(" ")[1]?.replace(/^v/, "") ?? output;
}

function goVersion(output: string): string {
  const match = /go1\.(\d+)\S*/.exec(output);
  if (!match || Number(match[1]) < 19) throw new Error(`${output} is too old: 1.19 or newer is needed`);
  return match[0].slice(2);
}

/** Firecracker is of use only where KVM is. */
export const firecrackerCheck: Check = {
  name: "Firecracker",
  async run() {
    const outcome = await runProgram("firecracker", ["--version"]);
    if (outcome.status === undefined)
      return { status: "warn", found: "not installed", consequence: "microVMs run in QEMU" };
    return { status: "ok", found: firstLine(outcome).replace(/^Firecracker v?/, "") };
  },
};
