import { type Hosts, Warren } from "@warren/sdk";
import { findLocalServer } from "./local-server.ts";
import { hostsOfOperator } from "./operator.ts";

/** The hosts that somebody manages, and with whose rights. */
export interface ManagedHosts {
  hosts: Hosts;
  /** Address of the server, where a session is named; undefined for the operator of the server on this machine. */
  url?: string;
}

/**
 * The hosts of the person whose session WARREN_SESSION_TOKEN is of, on the server that WARREN_URL names or else on the one that
 * `warren up` runs here on `dataDir`; without a session all of the latter, for its operator. API keys manage no hosts.
 */
export async function managedHosts(dataDir: string): Promise<ManagedHosts> {
  const { WARREN_URL, WARREN_SESSION_TOKEN: sessionToken } = process.env;
  if (!sessionToken) return { hosts: await hostsOfOperator(dataDir).catch((error) => rethrow(error, WARREN_URL)) };
  const url = WARREN_URL || (await findLocalServer(dataDir))?.url;
  if (!url)
    throw new Error(`No server: none runs on ${dataDir} (or it is not this user's), and WARREN_URL is not set.`);
  return { hosts: new Warren({ url, sessionToken }).hosts, url };
}

/** Whoever named a server elsewhere is told what it takes. */
function rethrow(error: Error, url: string | undefined): never {
  if (!url) throw error;
  throw new Error(
    `${error.message} For ${url}, set WARREN_SESSION_TOKEN to the token of a session: keys manage no hosts.`,
  );
}
