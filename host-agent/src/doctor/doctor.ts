import type { Check, Finding } from "./finding.ts";
import { kernelChecks } from "./kernel.ts";
import { kvmCheck } from "./kvm.ts";
import { firecrackerCheck, programChecks } from "./programs.ts";
import { storageChecks } from "./storage.ts";

/** What the checks need to know. */
export interface DoctorOptions {
  dataDir: string;
  imagesDir: string;
}

/** Looks at everything that sandboxes need from this machine, one finding after the other. */
export async function* examine(options: DoctorOptions): AsyncGenerator<Finding> {
  for (const check of allChecks(options)) yield perform(check);
}

/** Runs one check. One that is at fault itself says so, and is no reason to give up. */
export async function perform({ name, run }: Check): Promise<Finding> {
  try {
    return { check: name, ...(await run()) };
  } catch (error) {
    return {
      check: name,
      status: "warn",
      found: `could not be checked: ${(error as Error).message}`,
      consequence: "what follows from it is not known",
    };
  }
}

function allChecks({ dataDir, imagesDir }: DoctorOptions): Check[] {
  return [...kernelChecks(), kvmCheck(imagesDir), ...programChecks(), firecrackerCheck, ...storageChecks(dataDir)];
}

/** Whether a sandbox can run on a machine with these findings. */
export function canRunSandboxes(findings: readonly Finding[]): boolean {
  return findings.every(({ status }) => status !== "fail");
}
