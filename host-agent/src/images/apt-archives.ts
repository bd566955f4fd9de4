import { readFile } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import type { Apt } from "./apt.ts";
import type { Distribution } from "./distribution.ts";
import type { RunTool } from "./tool.ts";

/** Sections of an archive that hold the packages of the images. */
const COMPONENTS: Record<Distribution["id"], readonly string[]> = { debian: ["main"], ubuntu: ["main", "universe"] };

/** Fields of apt-get indextargets(8), in the order in which they are asked for. */
const TARGET_FIELDS = [
  "CREATED_BY",
  "ORIGIN",
  "CODENAME",
  "RELEASE",
  "COMPONENT",
  "ARCHITECTURE",
  "REPO_URI",
  "SOURCESENTRY",
];

/** One index of packages that the host's apt knows. */
interface IndexTarget {
  createdBy: string;
  origin: string;
  codename: string;
  /** Suite as the sources name it, such as stable-updates. */
  release: string;
  component: string;
  architecture: string;
  uri: string;
  /** File of the sources, a colon, and a number. */
  source: string;
}

/**
 * The distribution's own archives as this host is configured to reach them, as lines of sources.list(5). Archives of
 * others, backports and proposed updates are left out: the images hold the distribution's packages only.
 */
export async function distributionArchives(distribution: Distribution, apt: Apt, runTool: RunTool): Promise<string[]> {
  let targets = await distributionTargets(distribution, runTool);
  if (targets.length === 0) {
    // Origins are known only from the package lists.
    await apt.update();
    targets = await distributionTargets(distribution, runTool);
  }
  if (targets.length === 0) {
    const name = `${distribution.id} ${distribution.codename}`;
    const message = `apt on this machine has no archive of ${name}. Add one to /etc/apt/sources.list.d, then run apt-get update.`;
    throw new WarrenError("image_build_failed", message);
  }
  return sourceLines(targets, (path) => readFile(path, "utf8"));
}

async function distributionTargets(distribution: Distribution, runTool: RunTool): Promise<IndexTarget[]> {
  const format = TARGET_FIELDS.map((field) => `$(${field})`).join("\t");
  return selectTargets(await runTool("apt-get", ["indextargets", "--format", format]), distribution);
}

/** Takes the indexes of a distribution's release and its updates from the output of apt-get indextargets. */
export function selectTargets(output: string, distribution: Distribution): IndexTarget[] {
  const targets = output.split("\n").map((line): IndexTarget => {
    const [
      createdBy = "",
      origin = "",
      codename = "",
      release = "",
      component = "",
      architecture = "",
      uri = "",
      source = "",
    ] = line.split("\t");
    return { createdBy, origin, codename, release, component, architecture, uri, source };
  });
  return targets.filter(
    (target) =>
      target.createdBy === "Packages" &&
      target.origin.toLowerCase() === distribution.id &&
      target.architecture === distribution.architecture &&
      target.codename.split("-")[0] === distribution.codename &&
      COMPONENTS[distribution.id].includes(target.component) &&
      !/-(backports|proposed)/.test(`${target.codename} ${target.release}`),
  );
}

/** Writes indexes as lines of sources.list(5), with the keys that the host's own sources name for them. */
export async function sourceLines(
  targets: readonly IndexTarget[],
  readSource: (path: string) => Promise<string>,
): Promise<string[]> {
  const components = new Map<string, Set<string>>();
  for (const target of targets) {
    const key = signedBy(await readSource(target.source.replace(/:\d+$/, "")), target);
    const line = `deb ${key ? `[signed-by=${key}] ` : ""}${target.uri} ${target.release}`;
    const known = components.get(line) ?? new Set();
    components.set(line, known.add(target.component));
  }
  return [...components].map(([line, names]) => `${line} ${[...names].join(" ")}`);
}

/** Path of the keyring that a file of sources, in either format, names for an archive; undefined when it names none. */
function signedBy(sources: string, { uri, release }: IndexTarget): string | undefined {
  const uris = [uri, uri.replace(/\/$/, "")];
  for (const stanza of sources.split(/\n\s*\n/)) {
    const field = (name: string) =>
      new RegExp(`^${name}:\\s*(.*(?:\\n[ \\t].*)*)`, "im").exec(stanza)?.[1]?.split(/\s+/) ?? [];
    const key = field("Signed-By")[0];
    if (
      key?.startsWith("/") &&
      field("Suites").includes(release) &&
      field("URIs").some((name) => uris.includes(name))
    ) {
      return key;
    }
  }
  for (const line of sources.split("\n")) {
    const match = /^deb\s+\[(.*)\]\s+(\S+)\s+(\S+)/.exec(line.trim());
    if (match && uris.includes(match[2]!) && match[3] === release) {
      const key = /signed-by=(\S+)/i.exec(match[1]!)?.[1];
      if (key?.startsWith("/")) return key;
    }
  }
  return undefined;
}

/**
 * Settings of the host's apt that decide whether it reaches its archives: proxies, certificates, retries, checks of
 * dates, and credentials, which are read from where they are.
 */
export async function downloadSettings(runTool: RunTool): Promise<string[]> {
  const dump = await runTool("apt-config", ["dump"]);
  const wanted =
    /^Acquire::(https?|ftp|Retries|ForceIPv[46]|Check-Date|Check-Valid-Until|Max-FutureTime)(::\S*)? "[^"]+";$/i;
  return [...dump.split("\n").filter((line) => wanted.test(line)), 'Dir::Etc::netrcparts "/etc/apt/auth.conf.d/";'];
}
