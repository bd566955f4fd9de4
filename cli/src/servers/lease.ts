import type { Sandbox } from "@warren/sdk";

/** Seconds for which a sandbox outlives a client that cannot end it any more. */
export const LEASE_SEC = 60;

/** Milliseconds between renewals: two may fail before the lease runs out. */
const RENEWAL_MS = (LEASE_SEC * 1000) / 3;

/** Renews the lease of a sandbox until the returned function is called. */
export function keepLease(sandbox: Pick<Sandbox, "update">): () => void {
  const timer = setInterval(() => {
    // A server that is away for a moment is asked again; that the sandbox is gone is told by the calls that use it.
    sandbox.update({ leaseSec: LEASE_SEC }).catch(() => undefined);
  }, RENEWAL_MS);
  return () => clearInterval(timer);
}
