import { BatchedTimestamps } from "../database/batched-timestamps.ts";
import { HostMonitor } from "../hosts/host-monitor.ts";
import type { QuotaStore } from "../quotas/quota-store.ts";
import { TeamAdmission } from "../quotas/team-admission.ts";
import { SandboxReconciler } from "../sandboxes/reconciler.ts";
import { SandboxAccess, sandboxNotFound, wrongState } from "../sandboxes/sandbox-access.ts";
import { SandboxForks } from "../sandboxes/sandbox-forks.ts";
import { SandboxLeases } from "../sandboxes/sandbox-leases.ts";
import { SandboxPausing } from "../sandboxes/sandbox-pausing.ts";
import { SandboxReads } from "../sandboxes/sandbox-reads.ts";
import { SandboxService } from "../sandboxes/sandbox-service.ts";
import { SandboxSettings } from "../sandboxes/sandbox-settings.ts";
import { SandboxStore } from "../sandboxes/sandbox-store.ts";
import type { TeamStore } from "../teams/team-store.ts";
import { TemplateService } from "../templates/template-service.ts";
import { TemplateStore } from "../templates/template-store.ts";
import type { Foundation } from "./foundation.ts";
import { createHosts } from "./hosts.ts";

/** Sandboxes, what they are made of and where they run. */
export type Sandboxes = Awaited<ReturnType<typeof createSandboxes>>;

/** Wires sandboxes, templates and hosts together. Nothing of it acts by itself before it is started. */
export async function createSandboxes(
  foundation: Foundation,
  { teams, quotas }: { teams: TeamStore; quotas: QuotaStore },
) {
  const { db, database, log, operations, onClose } = foundation;
  const templateStore = new TemplateStore(db);
  const { pool, store: hosts, scheduler } = await createHosts(foundation, templateStore);
  const store = new SandboxStore(db);
  const activity = new BatchedTimestamps((times) => store.writeLastActive(times), log);
  onClose(() => activity.close());
  const quota = new TeamAdmission(teams, quotas);
  const access: SandboxAccess = new SandboxAccess(
    store,
    pool,
    activity,
    (teamId, id) => pausing.resume(teamId, id),
    (hostId) => monitor.look(hostId),
  );
  const reconciler = new SandboxReconciler({ store, pool, access, log });
  const monitor: HostMonitor = new HostMonitor({
    hosts,
    pool,
    sandboxes: reconciler,
    leadership: database.leadership,
    log,
  });
  const settings = new SandboxSettings({ store, pool, access, operations });
  const pausing: SandboxPausing = new SandboxPausing({ db, store, quota, pool, access, settings, operations });
  const forks = new SandboxForks({ db, store, quota, pool, access, operations });
  const templates = new TemplateService({
    db,
    store: templateStore,
    hosts,
    quota,
    pool,
    operations,
    sandboxes: {
      async locate(teamId, id) {
        const location = await store.locate(id);
        if (location?.teamId !== teamId) throw sandboxNotFound(id);
        return location;
      },
      wrongState,
      explain: (id, error, needed) => access.explain(id, error, needed),
    },
    log,
  });
  const sandboxes = new SandboxService({
    db,
    store,
    reads: new SandboxReads(db),
    templates: templateStore,
    quota,
    scheduler,
    pool,
    access,
    operations,
    log,
  });
  const leases = new SandboxLeases({ store, sandboxes, leadership: database.leadership, log });
  return { sandboxes, settings, pausing, forks, templates, access, monitor, leases };
}
