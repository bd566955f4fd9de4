import { HostAuthority } from "../host-certificates/host-authority.ts";
import { HostClientPool } from "../hosts/host-client-pool.ts";
import { HostStore } from "../hosts/host-store.ts";
import { HostWatch } from "../hosts/host-watch.ts";
import { HostScheduler } from "../hosts/scheduler.ts";
import type { Foundation } from "./foundation.ts";

/** Wires the machines that run sandboxes together. */
export function createHosts({ config, db, secrets, audit, onClose }: Foundation) {
  const authority = new HostAuthority(db, secrets);
  const hostClients = new HostClientPool(authority);
  onClose(async () => hostClients.close());
  const store = new HostStore(db, audit.teams);
  const scheduler = new HostScheduler(config.scheduler);
  return { authority, hostClients, store, watch: new HostWatch(db, audit.teams), scheduler };
}
