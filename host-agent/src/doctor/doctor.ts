import type { Check, Finding } from "./finding.ts";
import { kernelChecks } from "./kernel.ts";
import { firecrackerCheck, programChecks } from "./programs.ts";
import { storageChecks } from "./storage.ts";

/** What the checks need to know. */
export interface DoctorOptions {
  dataDir: string;
  /** Checks that other parts bring, such as the probe boot with KVM. */
  extra?: Check[];
}

/** Looks at everything that sandboxes need from this machine, one finding after the other. */
export async function* examine({ dataDir, extra = [] }: DoctorOptions): AsyncGenerator<Finding> {
  const checks = [...kernelChecks(), ...extra, ...programChecks(), firecrackerCheck, ...storageChecks(dataDir)];
  for (const { name, run } of checks) {
    const finding = await run().catch((error: Error) => {
      return { status: "warn" as const, found: `could not be checked: ${error.message}` };
    });
    yield { check: name, ...finding };
  }
}

/** Whether a sandbox can run on a machine with these findings. */
export function canRunSandboxes(findings: readonly Finding[]): boolean {
  return findings.every(({ status }) => status !== "fail");
}
