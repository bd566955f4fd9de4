import { readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { syncDirectory, writeFileDurably } from "@warren/server/durable-file";
import type { HostIdentity } from "../rpc/secure-server.ts";

/** By what a host shows its control plane who it is. */
export interface Credentials {
  /** Base of the control plane's REST API, without a slash at the end. */
  controlPlaneUrl: string;
  hostId: string;
  token: string;
  refreshToken: string;
  /** Absent for a host that is reached by a socket of its machine. */
  identity?: HostIdentity;
}

const FIELDS = ["controlPlaneUrl", "hostId", "token", "refreshToken"];
const IDENTITY_FIELDS = ["key", "certificate", "authority"];

/** Where credentials are kept. */
export interface CredentialStore {
  /** Undefined when there are none. */
  read(): Promise<Credentials | undefined>;
  write(credentials: Credentials): Promise<void>;
  remove(): Promise<void>;
}

/** Keeps them in a file of the data directory that only its user can read. */
export class CredentialFile implements CredentialStore {
  readonly #path: string;

  constructor(dataDirectory: string) {
    this.#path = join(dataDirectory, "host-credentials.json");
  }

  async read(): Promise<Credentials | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    return parse(text, this.#path);
  }

  async write(credentials: Credentials): Promise<void> {
    await writeFileDurably(this.#path, `${JSON.stringify(credentials, undefined, 2)}\n`);
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
    await syncDirectory(dirname(this.#path));
  }
}

/** Keeps them as long as the process runs. */
export class CredentialMemory implements CredentialStore {
  #credentials: Credentials | undefined;

  async read(): Promise<Credentials | undefined> {
    return this.#credentials;
  }

  async write(credentials: Credentials): Promise<void> {
    this.#credentials = credentials;
  }

  async remove(): Promise<void> {
    this.#credentials = undefined;
  }
}

function parse(text: string, path: string): Credentials {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  if (hasTexts(parsed, FIELDS)) {
    const { identity, ...rest } = parsed as unknown as Credentials;
    // Without one that is whole another is asked for.
    return hasTexts(identity, IDENTITY_FIELDS) ? { ...rest, identity: identity as HostIdentity } : rest;
  }
  throw new WarrenError(
    "invalid_request",
    `${path} has no credentials of a host; remove it and register the host again`,
  );
}

function hasTexts(parsed: unknown, fields: string[]): boolean {
  const texts = parsed as Partial<Record<string, unknown>> | null | undefined;
  return fields.every((field) => typeof texts?.[field] === "string");
}
