import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { hashFiles } from "./content-key.ts";
import type { RunTool } from "./tool.ts";

/** The sources of the guest agent at one moment. */
export interface GuestAgentSource {
  /** By path below the module's folder. */
  files: ReadonlyMap<string, Uint8Array>;
  hash: string;
}

/** Reads all files of the Go module that can end up in the binary: neither tests nor test data nor hidden files. */
export async function readGuestAgentSource(module: string): Promise<GuestAgentSource> {
  const files = new Map<string, Uint8Array>();
  const entries = await readdir(module, { withFileTypes: true, recursive: true }).catch((error: Error) => {
    throw noSource(module, error);
  });
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(module, path);
    if (entry.isFile() && isSource(name)) files.set(name, await readFile(path));
  }
  if (!files.has("go.mod")) throw noSource(module);
  return { files, hash: hashFiles(files) };
}

function isSource(name: string): boolean {
  if (name.endsWith("_test.go")) return false;
  return !name.split("/").some((part) => part === "testdata" || part.startsWith(".") || part.startsWith("_"));
}

function noSource(module: string, cause?: Error): WarrenError {
  const message = `There is no Go module in ${module}: the guest agent cannot be built. Is this a complete clone?`;
  return new WarrenError("image_build_failed", message, { cause });
}

/** Go version and target platform, such as "go1.19.8 linux/amd64". */
export async function goVersion(runTool: RunTool): Promise<string> {
  const output = await runTool("go", ["version"], { env: GO_ENVIRONMENT });
  return output.trim().replace(/^go version /, "");
}

/**
 * What makes equal sources build equal binaries: no toolchain that the module asks for, no C, no flags of the caller's
 * environment, no instructions beyond the first generation of the processor family.
 */
const GO_ENVIRONMENT = {
  CGO_ENABLED: "0",
  GOENV: "off",
  GOFLAGS: "-mod=mod",
  GOTOOLCHAIN: "local",
  GOOS: "linux",
  GOWORK: "off",
};

/**
 * Builds the guest agent, static and without debugging information. The sources are built from a copy, so that the
 * binary is that of the hash even when somebody edits them meanwhile.
 */
export async function buildGuestAgent(
  source: GuestAgentSource,
  scratch: string,
  runTool: RunTool,
): Promise<Uint8Array> {
  const module = join(scratch, "guest-agent");
  for (const [name, data] of source.files) {
    await mkdir(dirname(join(module, name)), { recursive: true });
    await writeFile(join(module, name), data);
  }
  const binary = join(scratch, "guest-agent.bin");
  // -buildvcs=false: the state of the repository would end up in the binary.
  const args = ["build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", binary, "."];
  await runTool("go", args, {
    cwd: module,
    env: GO_ENVIRONMENT,
    hint: "The guest agent needs Go 1.19 or newer: go version",
  });
  const data = await readFile(binary);
  await rm(module, { recursive: true });
  await rm(binary);
  return data;
}
