import { X509Certificate } from "node:crypto";
import { writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { WarrenError } from "@warren/contracts/errors";
import { parseListenAddress } from "@warren/server/listen-address";
import { keepFilesPrivate } from "@warren/server/private-directory";
import { requireSocketPath } from "@warren/server/socket-path";
import { endRequested, StartReport } from "@warren/server/supervision";
import { canRunSandboxes, examine } from "./doctor/doctor.ts";
import { countSandboxes, type ServeOptions, serveHost, sweepHost } from "./host.ts";
import { ensureImages } from "./images/ensure.ts";
import { findControlPlane, parseControlPlaneUrl } from "./link/control-plane.ts";
import { createLogger } from "./logging.ts";
import { PLATFORM, type Platform } from "./platform.ts";

/** Exit status of a program that wrote to a pipe without a reader: 128 + SIGPIPE. */
const BROKEN_PIPE = 141;

const USAGE = `usage: main.ts serve --data-dir DIR --images-dir DIR --listen unix:PATH|HOST:PORT [--address HOST:PORT] [--control-plane URL] [--ca-file FILE] [--register] [--ephemeral] [--prepare VCPUSxMIB] [--ready-fd N] [--exit-with-parent]
       main.ts sweep --data-dir DIR [--tell]
       main.ts count --data-dir DIR
       main.ts find-control-plane --control-plane URL [--ca-file FILE]
       main.ts build-images --images-dir DIR [--with-node] [--refresh] [--json]
       main.ts doctor --data-dir DIR --images-dir DIR [--json]`;

/** Repository that holds the sources of the guest agent. */
const SOURCE_ROOT = resolve(import.meta.dirname, "../..");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "data-dir": { type: "string" },
    "images-dir": { type: "string" },
    listen: { type: "string" },
    address: { type: "string" },
    "control-plane": { type: "string" },
    "ca-file": { type: "string" },
    register: { type: "boolean", default: false },
    ephemeral: { type: "boolean", default: false },
    prepare: { type: "string" },
    "ready-fd": { type: "string" },
    "exit-with-parent": { type: "boolean", default: false },
    "with-node": { type: "boolean", default: false },
    refresh: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    tell: { type: "boolean", default: false },
  },
});

/** The program of the host agent, as its arguments say. `platform`: tests have one of their own. */
export async function runHostAgent(platform: Platform = PLATFORM): Promise<void> {
  keepFilesPrivate();
  switch (positionals[0]) {
    case "serve":
      await serve(platform);
      break;
    case "sweep":
      await reportFailure(() => {
        const options = { environment: process.env, platform, log: createLogger(), tell: values.tell };
        return sweepHost(directory("data-dir"), options);
      });
      break;
    case "count":
      await reportFailure(async () => {
        print(JSON.stringify(await countSandboxes(directory("data-dir"))));
      });
      break;
    case "find-control-plane":
      await reportFailure(async () => {
        const url = parseControlPlaneUrl(values["control-plane"] ?? "");
        const address = await findControlPlane({ url, authority: await readAuthority() });
        print(JSON.stringify({ url, address }));
      });
      break;
    case "build-images":
      await reportFailure(() => build());
      break;
    case "doctor":
      await doctor();
      break;
    default:
      fail(USAGE, 2);
  }
}

async function serve(platform: Platform): Promise<void> {
  const report = new StartReport(values["ready-fd"] === undefined ? undefined : Number(values["ready-fd"]));
  const log = createLogger();
  const end = endRequested({ exitWithParent: values["exit-with-parent"] });
  let started = false;
  void end.then((reason) => {
    if (started) return;
    // What is half built or half taken up is found again by the next start, or by `sweep`.
    log.info({ reason }, "host agent ends before it is ready");
    process.exit(1);
  });
  try {
    const options: ServeOptions = {
      dataDirectory: directory("data-dir"),
      imagesDirectory: directory("images-dir"),
      sourceRoot: SOURCE_ROOT,
      ...whereToServe(values.listen, values.address),
      ephemeral: values.ephemeral,
      ...(values["control-plane"] === undefined ? {} : { controlPlane: values["control-plane"] }),
      controlPlaneAuthority: await readAuthority(),
      registerAnew: values.register,
      ...(values.prepare === undefined ? {} : { prepare: sandboxSize(values.prepare) }),
      environment: process.env,
      platform,
      progress: (step, detail, fraction) => report.progress(step, detail, fraction),
      log,
    };
    const host = await serveHost(options);
    started = true;
    report.ready(options.address, host.notes);
    const reason = await Promise.race([end, host.gone.then(() => "the host was deleted")]);
    log.info({ reason }, "host agent is stopping");
    await host.stop();
    process.exit(0);
  } catch (error) {
    log.fatal({ err: error }, "host agent cannot run");
    report.failed(error);
    process.exit(1);
  }
}

async function build(): Promise<void> {
  const present = values.json
    ? (step: string, detail?: string, fraction?: number) => JSON.stringify({ step, detail, fraction })
    : (step: string, detail?: string) => (detail ? `${step}: ${detail}` : step);
  await ensureImages({
    directory: directory("images-dir"),
    sourceRoot: SOURCE_ROOT,
    withNode: values["with-node"],
    refresh: values.refresh,
    progress: (step, detail, fraction) => print(present(step, detail, fraction)),
  });
}

async function doctor(): Promise<void> {
  const findings = [];
  for await (const finding of examine({ dataDir: directory("data-dir"), imagesDir: directory("images-dir") })) {
    findings.push(finding);
    const { check, status, found, consequence } = finding;
    const line = values.json
      ? JSON.stringify(finding)
      : `${status.padEnd(5)}${check}: ${found}${consequence ? ` (${consequence})` : ""}`;
    print(line);
  }
  process.exitCode = canRunSandboxes(findings) ? 0 : 1;
}

async function reportFailure(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
    process.exit(0);
  } catch (error) {
    if (error instanceof WarrenError) fail(error.message, 1);
    throw error;
  }
}

function directory(name: "data-dir" | "images-dir"): string {
  const value = values[name];
  if (!value) fail(`--${name} is missing\n${USAGE}`, 2);
  return resolve(value);
}

/** The authority of the control plane's certificate, where one is named. */
async function readAuthority(): Promise<string | undefined> {
  const file = values["ca-file"];
  if (file === undefined) return undefined;
  try {
    const text = await readFile(file, "utf8");
    new X509Certificate(text);
    return text;
  } catch (error) {
    throw new WarrenError("invalid_request", `--ca-file ${file} has no certificate: ${(error as Error).message}`);
  }
}

/** Where to listen, and what the control plane is told of it. */
function whereToServe(
  listen: string | undefined,
  address: string | undefined,
): Pick<ServeOptions, "place" | "address"> {
  if (listen?.startsWith("unix:/")) {
    const socketPath = listen.slice("unix:".length);
    requireSocketPath(socketPath);
    return { place: { socketPath }, address: listen };
  }
  const place = portOf("--listen", listen ?? "");
  const reached = address === undefined ? place : portOf("--address", address);
  if (["0.0.0.0", "::"].includes(reached.host)) {
    throw new WarrenError(
      "invalid_request",
      "--address must say at which HOST:PORT the control plane reaches this host",
    );
  }
  return { place, address: `https://${isIP(reached.host) === 6 ? `[${reached.host}]` : reached.host}:${reached.port}` };
}

function portOf(option: string, text: string): { host: string; port: number } {
  try {
    const place = parseListenAddress(text);
    if (place.port > 0) return place;
  } catch {
    // Said below.
  }
  throw new WarrenError(
    "invalid_request",
    `${option} must be HOST:PORT, or unix:PATH with an absolute path, not "${text}"`,
  );
}

function sandboxSize(text: string): { vcpus: number; memoryMb: number } {
  const [, vcpus, memoryMb] = /^(\d{1,4})x(\d{1,8})$/.exec(text) ?? [];
  if (!vcpus || !memoryMb) throw new WarrenError("invalid_request", `--prepare must be VCPUSxMIB, not "${text}"`);
  return { vcpus: Number(vcpus), memoryMb: Number(memoryMb) };
}

/** Writes a line of the result. Like any program in a pipe, this one ends quietly when nobody reads it any more. */
function print(line: string): void {
  try {
    writeSync(1, `${line}\n`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EPIPE") process.exit(BROKEN_PIPE);
    throw error;
  }
}

function fail(text: string, status: number): never {
  writeSync(2, `${text}\n`);
  process.exit(status);
}
