import type { Sandbox, Warren } from "@warren/sdk";
import { describe, warn } from "../terminal/messages.ts";
import { findSandbox } from "./find-sandbox.ts";

/** Does something with each of the sandboxes that a user names, see {@link forEachName}. */
export function forEachSandbox(
  warren: Warren,
  names: string[],
  action: (sandbox: Sandbox) => Promise<unknown>,
): Promise<number> {
  return forEachName(names, async (name) => action(await findSandbox(warren, name)));
}

/**
 * Does something for each name, all at once. Prints each for which it went well, tells of each other one, and resolves with
 * the exit status.
 */
export async function forEachName(names: string[], action: (name: string) => Promise<unknown>): Promise<number> {
  let failed = 0;
  await Promise.all(
    names.map(async (name) => {
      try {
        await action(name);
        process.stdout.write(`${name}\n`);
      } catch (error) {
        failed++;
        warn(`${name}: ${describe(error)}`);
      }
    }),
  );
  return failed === 0 ? 0 : 1;
}
