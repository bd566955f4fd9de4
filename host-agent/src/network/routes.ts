import { WarrenError } from "@warren/contracts/errors";
import { type AddressPlan, parseBlock, VETH_PREFIX } from "./addresses.ts";
import { runScript } from "./scripts.ts";

/** A line of `ip -json route`, as far as it is read. */
export interface Route {
  /** Default for a route to hosts. */
  type?: string;
  /** CIDR notation, a plain address or "default". */
  dst: string;
  dev?: string;
}

/** Routes that lead to no network. */
const NOWHERE = ["unreachable", "blackhole", "prohibit", "throw"];

/** What `ip` calls an interface that has gone since the kernel listed its routes, as the slots of a killed agent do. */
const GONE = /^if\d+$/;

/** Throws `conflict` when the host already routes addresses of the plan somewhere else. */
export async function checkRoutes(plan: AddressPlan): Promise<void> {
  const { stdout } = await runScript("Reading the host's routes", "ip -json -4 route show table all");
  requireNoConflict(plan, JSON.parse(stdout) as Route[]);
}

/** The same for these routes. */
export function requireNoConflict(plan: AddressPlan, routes: readonly Route[]): void {
  for (const route of routes) {
    const { dst, type = "", dev = "" } = route;
    if (dst === "default" || dev.startsWith(VETH_PREFIX) || GONE.test(dev) || NOWHERE.includes(type)) continue;
    const network = plan.conflict(parseBlock(route.dst));
    if (network) {
      throw new WarrenError(
        "conflict",
        `the network ${network} for sandboxes collides with the host's route to ${route.dst}` +
          `${route.dev ? ` on ${route.dev}` : ""}: give Warren another private network`,
      );
    }
  }
}
