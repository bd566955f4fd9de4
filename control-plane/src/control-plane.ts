import type { AddressInfo } from "node:net";
import { WarrenError } from "@warren/contracts/errors";
import type { ListenAddress } from "@warren/server/listen-address";
import { readVersion } from "@warren/server/version";
import { startOperatorServer } from "./admin/operator-server.ts";
import { ApiKeyStore } from "./api-keys/api-key-store.ts";
import { Bootstrap } from "./bootstrap/bootstrap.ts";
import { CredentialsFile } from "./bootstrap/credentials-file.ts";
import type { Config } from "./config.ts";
import { type DataDirectory, takeDataDirectory } from "./database/data-directory.ts";
import type { EventFeed } from "./events/event-feed.ts";
import type { HostMonitor } from "./hosts/host-monitor.ts";
import type { App } from "./http/app-types.ts";
import type { Logger } from "./logging.ts";
import { QuotaStore } from "./quotas/quota-store.ts";
import { TeamStore } from "./teams/team-store.ts";
import { UsageAllowance } from "./usage/limits/usage-allowance.ts";
import { UsageLimitStore } from "./usage/limits/usage-limit-store.ts";
import { createAccounts } from "./wiring/accounts.ts";
import { createEvents } from "./wiring/events.ts";
import { createFamily } from "./wiring/family.ts";
import { createFoundation, type Foundation, type OnClose } from "./wiring/foundation.ts";
import { createHostRegistry } from "./wiring/host-registry.ts";
import { createMetrics } from "./wiring/metrics.ts";
import { createSandboxes } from "./wiring/sandboxes.ts";
import { createServer } from "./wiring/server.ts";
import { createStats } from "./wiring/stats.ts";
import { createWebhooks } from "./wiring/webhooks.ts";

/** Milliseconds that operations nobody waits for have when the server stops; the monitor settles what they leave. */
const DRAIN_MS = 30_000;

/** A control plane that takes requests. */
export interface ControlPlane {
  /** Address of the server, such as http://127.0.0.1:3000. */
  url: string;
  /** All routes of the server, such as `GET /v1/teams/:id`. */
  routes: readonly string[];
  /** Takes no new requests, ends the running ones, writes what is pending and frees everything. */
  close(): Promise<void>;
}

/**
 * Wires all parts together and starts them on a data directory, which may be being taken already; what has started is ended
 * again when a later part fails.
 */
export async function startControlPlane(
  config: Config,
  log: Logger,
  directory: Promise<DataDirectory> = takeDataDirectory(config, log),
): Promise<ControlPlane> {
  const started: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of started.splice(0).reverse()) {
      await end().catch((error: unknown) => log.error({ err: error }, "a part did not end cleanly"));
    }
  };
  try {
    return { ...(await start(config, log, directory, (end) => started.push(end))), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(
  config: Config,
  log: Logger,
  directory: Promise<DataDirectory>,
  onClose: OnClose,
): Promise<Omit<ControlPlane, "close">> {
  const foundation = await createFoundation(config, log, directory, onClose);
  const { db, operations } = foundation;
  const teams = new TeamStore(db);
  const quotas = new QuotaStore(db, config.teamQuota);
  const apiKeys = new ApiKeyStore(db);
  const usageLimits = new UsageLimitStore(db);
  const allowance = new UsageAllowance(usageLimits);
  const sandboxes = createSandboxes(foundation, { teams, quotas, usage: allowance });
  const { monitor, leases, templates } = sandboxes;
  onClose(() => operations.drain(DRAIN_MS));
  const accounts = await createAccounts(foundation, {
    teams,
    quotas,
    usageLimits,
    apiKeys,
    sandboxes: sandboxes.sandboxes,
    templates,
  });
  const hostRegistry = await createHostRegistry(foundation, { teams, accounts, sandboxes });
  const stats = createStats(foundation);
  const sandboxMetrics = createMetrics(foundation, sandboxes, { limits: usageLimits, allowance });
  const { feed: events, resources } = createEvents(foundation, { teams, apiKeys, sandboxes });
  const webhooks = createWebhooks(foundation, { accounts, resources });
  const version = readVersion();
  const monitoring = await openMonitoring(foundation, { monitor, events, version });
  const app = await createServer(foundation, {
    version,
    teams,
    quotas,
    usageLimits,
    apiKeys,
    accounts,
    sandboxes,
    hostRegistry,
    stats: stats.reads,
    monitoring,
    metrics: sandboxMetrics.reads,
    events,
    usage: sandboxMetrics.usage,
    family: createFamily(foundation),
    webhooks,
  });

  sandboxes.templateDeletions.retention.start();
  onClose(() => sandboxes.templateDeletions.retention.close());
  leases.start();
  onClose(() => leases.close());
  stats.sampler.start();
  onClose(() => stats.sampler.close());
  sandboxMetrics.collector.start();
  onClose(() => sandboxMetrics.collector.close());
  monitor.start();
  onClose(() => monitor.close());
  webhooks.dispatcher.start();
  onClose(() => webhooks.dispatcher.close());
  webhooks.retention.start();
  onClose(() => webhooks.retention.close());
  onClose(async () => webhooks.webhooks.close());

  const metrics = await monitoring?.serve();
  if (metrics) {
    onClose(() => metrics.close());
    log.info({ url: metrics.url }, "metrics are served");
  }
  const url = await listen(app, config.listen);
  const joining = hostRegistry.takeInLocalHost(loopbackOf(url));
  const file = new CredentialsFile(config.dataDir);
  await new Bootstrap({ db, teams, apiKeys, file, log }).run(config.publicUrl ?? url);
  if (config.firstAdmin) await accounts.admins.ensureFirst(config.firstAdmin);
  const { admins, platform, lists, setup, storedKeys: keys } = accounts;
  const dashboardUrl = config.oauth.dashboardUrl ?? config.publicUrl ?? url;
  const parts = { admins, platform, lists, quotas, usageLimits, keys, setup, hostRegistry, dashboardUrl, log };
  const operator = await startOperatorServer(config.dataDir, parts);
  onClose(() => operator.close());
  if (!(await platform.hasAdmin())) {
    log.info(
      "nobody administers this server; `warren admin link` prints a link to the page that makes the first account",
    );
  }
  await joining;
  log.info({ url }, "ready");
  return { url, routes: app.routes };
}

/** Loads what measures the server where the settings let somebody read it. */
async function openMonitoring(
  { config, ...parts }: Foundation,
  others: { monitor: HostMonitor; events: EventFeed; version: string },
) {
  if (config.metrics === undefined) return undefined;
  const { Monitoring } = await import("./monitoring/monitoring.ts");
  return Monitoring.open(config.metrics, { ...parts, ...others });
}

async function listen(app: App, { host, port }: ListenAddress): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EADDRINUSE" && code !== "EACCES" && code !== "EADDRNOTAVAIL") throw error;
    const reason = {
      EADDRINUSE: "is in use",
      EACCES: "may not be used by this user",
      EADDRNOTAVAIL: "is not of this machine",
    };
    throw new WarrenError("conflict", `the address ${host}:${port} ${reason[code]}; choose another with WARREN_LISTEN`);
  }
  const address = app.server.address() as AddressInfo;
  return `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
}

/** The address at which this machine itself reaches a server that listens on all of its addresses. */
function loopbackOf(url: string): string {
  return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
}
