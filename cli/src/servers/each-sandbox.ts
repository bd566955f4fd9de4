import type { Sandbox, Warren } from "@warren/sdk";
import { describe, warn } from "../terminal/messages.ts";
import { findSandbox } from "./find-sandbox.ts";

/**
 * Does something with each of the sandboxes that a user names, all at once. Prints the name of each for which it went
 * well, tells of each other one, and resolves with the exit status.
 */
export async function forEachSandbox(
  warren: Warren,
  names: string[],
  action: (sandbox: Sandbox) => Promise<unknown>,
): Promise<number> {
  let failed = 0;
  await Promise.all(
    names.map(async (name) => {
      try {
        await action(await findSandbox(warren, name));
        process.stdout.write(`${name}\n`);
      } catch (error) {
        failed++;
        warn(`${name}: ${describe(error)}`);
      }
    }),
  );
  return failed === 0 ? 0 : 1;
}
