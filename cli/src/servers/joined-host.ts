import { existsSync } from "node:fs";
import { copyFile, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileDurably } from "@warren/server/durable-file";

/** As what a machine has joined a control plane on another one, beside its credentials. */
export interface JoinedHost {
  /** HOST:PORT at which the host agent listens. */
  listen: string;
  /** HOST:PORT at which the control plane reaches it. */
  address: string;
}

/** What a host agent keeps to show who it is, as far as it concerns its operator. */
export interface HostCredentials {
  hostId: string;
  controlPlaneUrl: string;
}

const joinedFile = (dataDir: string) => join(dataDir, "host.json");
const credentialsFile = (dataDir: string) => join(dataDir, "host-credentials.json");
const authorityFile = (dataDir: string) => join(dataDir, "control-plane-ca.pem");

/** Undefined where no host has joined by this command. */
export function readJoinedHost(dataDir: string): Promise<JoinedHost | undefined> {
  return readJson(joinedFile(dataDir));
}

/** Undefined where no host agent has registered. */
export function readHostCredentials(dataDir: string): Promise<HostCredentials | undefined> {
  return readJson(credentialsFile(dataDir));
}

/** The authority of the control plane's certificate that was named when the host joined; undefined where none was. */
export function findAuthority(dataDir: string): string | undefined {
  const file = authorityFile(dataDir);
  return existsSync(file) ? file : undefined;
}

/** Notes how a host has joined, so that it starts again without being told. */
export async function keepJoinedHost(dataDir: string, joined: JoinedHost, caFile: string | undefined): Promise<void> {
  const own = authorityFile(dataDir);
  if (caFile !== undefined && caFile !== own) await copyFile(caFile, own);
  await writeFileDurably(joinedFile(dataDir), `${JSON.stringify(joined)}\n`);
}

/** Has the machine be a host no more, as far as it is for the machine to say. */
export async function forgetJoinedHost(dataDir: string): Promise<void> {
  for (const file of [joinedFile, credentialsFile, authorityFile]) await rm(file(dataDir), { force: true });
}

/** Whether a control plane has its state here: the host agent of its machine is not for another one. */
export function hasControlPlane(dataDir: string): boolean {
  return ["credentials.json", "database", "control-plane.lock"].some((name) => existsSync(join(dataDir, name)));
}

async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if (error instanceof SyntaxError) throw new Error(`${file} is not what a host agent or this command writes there.`);
    throw error;
  }
}
