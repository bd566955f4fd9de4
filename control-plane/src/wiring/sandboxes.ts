import { BatchedTimestamps } from "../database/batched-timestamps.ts";
import { HostMonitor } from "../hosts/host-monitor.ts";
import type { QuotaStore } from "../quotas/quota-store.ts";
import { TeamAdmission, type UsageAllowance } from "../quotas/team-admission.ts";
import { HostErrors } from "../sandboxes/host-errors.ts";
import { SandboxReconciler } from "../sandboxes/reconciler.ts";
import { SandboxAccess } from "../sandboxes/sandbox-access.ts";
import { SandboxChanges } from "../sandboxes/sandbox-changes.ts";
import { sandboxNotFound, wrongState } from "../sandboxes/sandbox-errors.ts";
import { SandboxForks } from "../sandboxes/sandbox-forks.ts";
import { SandboxHistory } from "../sandboxes/sandbox-history.ts";
import { SandboxLeases } from "../sandboxes/sandbox-leases.ts";
import { SandboxLists } from "../sandboxes/sandbox-lists.ts";
import { SandboxLocations } from "../sandboxes/sandbox-locations.ts";
import { SandboxPausing } from "../sandboxes/sandbox-pausing.ts";
import { SandboxReads } from "../sandboxes/sandbox-reads.ts";
import { SandboxService } from "../sandboxes/sandbox-service.ts";
import { SandboxSettings } from "../sandboxes/sandbox-settings.ts";
import { SandboxStore } from "../sandboxes/sandbox-store.ts";
import { UnknownSandboxes } from "../sandboxes/unknown-sandboxes.ts";
import type { TeamStore } from "../teams/team-store.ts";
import { TemplateDeletions } from "../templates/template-deletions.ts";
import { TemplateHosts } from "../templates/template-hosts.ts";
import { TemplateService } from "../templates/template-service.ts";
import { TemplateStore } from "../templates/template-store.ts";
import { TemplateTransfers } from "../templates/template-transfers.ts";
import type { Foundation } from "./foundation.ts";
import { createHosts } from "./hosts.ts";

/** Sandboxes, what they are made of and where they run. */
export type Sandboxes = ReturnType<typeof createSandboxes>;

/** Wires sandboxes, templates and hosts together. Nothing of it acts by itself before it is started. */
export function createSandboxes(
  foundation: Foundation,
  { teams, quotas, usage }: { teams: TeamStore; quotas: QuotaStore; usage: UsageAllowance },
) {
  const { config, db, database, log, operations, audit, onClose } = foundation;
  const templateStore = new TemplateStore(db);
  const { authority, hostClients, store: hosts, watch, scheduler } = createHosts(foundation);
  const changes = new SandboxChanges();
  const store = new SandboxStore(db, changes, new SandboxHistory(audit.sandboxes));
  const locations = new SandboxLocations(store, changes);
  const activity = new BatchedTimestamps((times) => store.writeLastActive(times), log);
  onClose(() => activity.close());
  const quota = new TeamAdmission({ db, teams, quotas, usage, audit: audit.teams });
  const unknown = new UnknownSandboxes(config.endUnknownSandboxes);
  const reconciler = new SandboxReconciler({ store, hostClients, unknown, log });
  const { leadership } = database;
  const monitor = new HostMonitor({ hosts, watch, hostClients, sandboxes: reconciler, leadership, log });
  const errors = new HostErrors(locations, monitor);
  const settings = new SandboxSettings({ store, hostClients, errors, operations });
  const pausing = new SandboxPausing({ store, quota, hostClients, errors, settings, operations });
  const forks = new SandboxForks({ store, quota, hostClients, errors, operations });
  const access = new SandboxAccess({ locations, hostClients, activity, pausing, errors });
  const templateHosts = new TemplateHosts(db);
  const deletions = new TemplateDeletions({ db, hostClients, leadership, log });
  const templates = new TemplateService({
    db,
    store: templateStore,
    templateHosts,
    deletions,
    quota,
    hostClients,
    operations,
    sandboxes: {
      async locate(teamId, id) {
        const location = await store.locate(id);
        if (location?.teamId !== teamId) throw sandboxNotFound(id);
        return location;
      },
      wrongState,
      explain: (id, error, needed) => errors.explain(id, error, needed),
    },
    audit: audit.teams,
    log,
  });
  const reads = new SandboxReads(db);
  const sandboxes = new SandboxService({
    db,
    store,
    reads,
    lists: new SandboxLists(db),
    templates: templateStore,
    templateHosts,
    transfers: new TemplateTransfers({ db, hostClients, templateHosts, deletions, log }),
    quota,
    scheduler,
    hostClients,
    access,
    operations,
    log,
  });
  const leases = new SandboxLeases({ store, sandboxes, leadership, log });
  return {
    store,
    sandboxes,
    changes,
    reads,
    settings,
    pausing,
    forks,
    templates,
    templateStore,
    templateHosts,
    templateDeletions: deletions,
    access,
    monitor,
    leases,
    authority,
    hosts,
    hostClients,
    scheduler,
  };
}
