import { SANDBOX_ID, SANDBOX_NAME } from "@warren/contracts/identifiers";

/** A file of a sandbox on the command line. */
export interface Remote {
  /** Id or name. */
  sandbox: string;
  /** Relative ones start at the user's home, which "" is. */
  path: string;
}

/** Parts of SANDBOX:PATH; undefined for a local path. A local file with such a name can be written as ./NAME. */
export function parseRemote(text: string): Remote | undefined {
  const colon = text.indexOf(":");
  const [sandbox, path] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
  return SANDBOX_ID.test(sandbox) || SANDBOX_NAME.test(sandbox) ? { sandbox, path } : undefined;
}
