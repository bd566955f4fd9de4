import { HostClientPool } from "../hosts/host-client-pool.ts";
import { HostStore } from "../hosts/host-store.ts";
import { HostWatch } from "../hosts/host-watch.ts";
import { HostScheduler } from "../hosts/scheduler.ts";
import type { Foundation } from "./foundation.ts";

/** Wires the machines that run sandboxes together. */
export function createHosts({ config, db, audit, onClose }: Foundation) {
  const hostClients = new HostClientPool();
  onClose(async () => hostClients.close());
  const store = new HostStore(db, audit.teams);
  return { hostClients, store, watch: new HostWatch(db, audit.teams), scheduler: new HostScheduler(config.scheduler) };
}
