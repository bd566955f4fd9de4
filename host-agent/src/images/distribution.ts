import { readFile } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";

/** The Linux distribution of the host, whose packages the images are made from. */
export interface Distribution {
  id: "debian" | "ubuntu";
  /** Code name of the release, such as bookworm. */
  codename: string;
  /** Architecture as packages name it. */
  architecture: "amd64" | "arm64";
}

/** Reads which distribution this host runs. */
export async function readDistribution(): Promise<Distribution> {
  return parseDistribution(await readFile("/etc/os-release", "utf8"), process.arch);
}

/** Takes the distribution from os-release(5). A derivative of Debian or Ubuntu counts as what it derives from. */
export function parseDistribution(osRelease: string, nodeArchitecture: string): Distribution {
  const fields = new Map<string, string>();
  for (const line of osRelease.split("\n")) {
    const match = /^([A-Z_]+)=(["']?)(.*)\2$/.exec(line.trim());
    if (match) fields.set(match[1]!, match[3]!);
  }
  const names = [fields.get("ID") ?? "", ...(fields.get("ID_LIKE") ?? "").split(" ")];
  const id = names.find((name) => name === "debian" || name === "ubuntu");
  const codename =
    (id === "ubuntu" ? fields.get("UBUNTU_CODENAME") : fields.get("DEBIAN_CODENAME")) ?? fields.get("VERSION_CODENAME");
  const architecture = { x64: "amd64" as const, arm64: "arm64" as const }[nodeArchitecture];
  if (id === undefined || !codename) {
    const found = fields.get("PRETTY_NAME") ?? "an unknown system";
    throw unsupported(`This host runs ${found}; Warren builds its images from Debian's or Ubuntu's packages.`);
  }
  if (architecture === undefined) {
    throw unsupported(`This host's processor is ${nodeArchitecture}; Warren runs on x86-64 and arm64.`);
  }
  return { id, codename, architecture };
}

function unsupported(message: string): WarrenError {
  return new WarrenError("image_build_failed", message);
}
