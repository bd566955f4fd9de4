import { Warren } from "@warren/sdk";
import { ownCommand } from "../terminal/own-command.ts";
import { findLocalServer, readApiKey } from "./local-server.ts";

/** A client of the server that WARREN_URL and WARREN_API_KEY name; undefined when neither is set. */
export function namedServer(): Warren | undefined {
  const { WARREN_URL: url, WARREN_API_KEY: apiKey } = process.env;
  if (!url && !apiKey) return undefined;
  if (!url)
    throw new Error("WARREN_API_KEY is set and WARREN_URL is not: set both to use a running server, or neither.");
  if (!apiKey)
    throw new Error("WARREN_URL is set and WARREN_API_KEY is not: set both to use a running server, or neither.");
  return new Warren({ url, apiKey });
}

/** A client of the named server, or else of the one that `warren up` runs here on `dataDir`. */
export async function runningServer(dataDir: string): Promise<Warren> {
  const named = namedServer();
  if (named) return named;
  const local = await findLocalServer(dataDir);
  if (local) return new Warren({ url: local.url, apiKey: await readApiKey(dataDir) });
  throw new Error(
    `No server: none runs on ${dataDir} (or it is not this user's), and WARREN_URL and WARREN_API_KEY are not set; ` +
      `start one with '${ownCommand()} up', or name the directory of one that runs with --data-dir.`,
  );
}
