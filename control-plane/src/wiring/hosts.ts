import { HostClientPool } from "../hosts/host-client-pool.ts";
import { HostStore } from "../hosts/host-store.ts";
import { type BuiltInTemplates, LocalHost } from "../hosts/local-host.ts";
import { RoundRobinScheduler } from "../hosts/scheduler.ts";
import type { Foundation } from "./foundation.ts";

/** Wires the machines that run sandboxes together, and takes that of the configuration in. */
export async function createHosts({ config, db, log, audit, onClose }: Foundation, templates: BuiltInTemplates) {
  const hostClients = new HostClientPool();
  onClose(async () => hostClients.close());
  const store = new HostStore(db, audit.teams);
  const localHost =
    config.localHost === undefined
      ? undefined
      : await LocalHost.register(config.localHost, { hosts: store, templates, hostClients, log });
  const scheduler = new RoundRobinScheduler(store, () => localHost?.join() ?? Promise.resolve());
  return { hostClients, store, scheduler };
}
