import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { claimDataDirectory } from "@warren/server/data-directory-lock";
import { keepFilesPrivate } from "@warren/server/private-directory";
import { endRequested, StartReport } from "@warren/server/supervision";
import { adminRoutes } from "./admin/admin-routes.ts";
import { startOperatorServer } from "./admin/operator-server.ts";
import { apiKeyRoutes } from "./api-keys/api-key-routes.ts";
import { ApiKeyScheme } from "./api-keys/api-key-scheme.ts";
import { ApiKeyStore } from "./api-keys/api-key-store.ts";
import { AccessChanges } from "./auth/access-changes.ts";
import { AccessGuard } from "./auth/access-guard.ts";
import { SchemeAuthenticator } from "./auth/authenticator.ts";
import { Bootstrap } from "./bootstrap/bootstrap.ts";
import { CredentialsFile } from "./bootstrap/credentials-file.ts";
import { commandRoutes } from "./commands/command-routes.ts";
import { CommandService } from "./commands/command-service.ts";
import { type Config, type ListenAddress, parseConfig, readEnvironment, readReadyFd } from "./config.ts";
import { BatchedTimestamps } from "./database/batched-timestamps.ts";
import { openDatabase } from "./database/database.ts";
import { DetachedOperations } from "./detached-operations.ts";
import { emailVerificationRoutes } from "./email-verification/email-verification-routes.ts";
import { directoryRoutes } from "./files/directory-routes.ts";
import { fileRoutes } from "./files/file-routes.ts";
import { FileService } from "./files/file-service.ts";
import { HostClientPool } from "./hosts/host-client-pool.ts";
import { HostMonitor } from "./hosts/host-monitor.ts";
import { HostStore } from "./hosts/host-store.ts";
import { LocalHost } from "./hosts/local-host.ts";
import { RoundRobinScheduler } from "./hosts/scheduler.ts";
import { createApp } from "./http/app.ts";
import type { App } from "./http/app-types.ts";
import { docsRoutes } from "./http/docs/docs-routes.ts";
import { toCatalogueError } from "./http/errors/catalogue-error.ts";
import { healthRoutes } from "./http/health-routes.ts";
import { OpenRequests } from "./http/open-requests.ts";
import { AnswerBudget } from "./http/slow-clients/answer-budget.ts";
import { SpoolBudget } from "./http/slow-clients/spool-budget.ts";
import { createLogger, type Logger } from "./logging.ts";
import { oauthRoutes } from "./oauth/oauth-routes.ts";
import { QuotaStore } from "./quotas/quota-store.ts";
import { TeamAdmission } from "./quotas/team-admission.ts";
import { SandboxReconciler } from "./sandboxes/reconciler.ts";
import { requireSandboxId, SandboxAccess, sandboxNotFound, wrongState } from "./sandboxes/sandbox-access.ts";
import { SandboxForks } from "./sandboxes/sandbox-forks.ts";
import { SandboxLeases } from "./sandboxes/sandbox-leases.ts";
import { SandboxPausing } from "./sandboxes/sandbox-pausing.ts";
import { SandboxReads } from "./sandboxes/sandbox-reads.ts";
import { sandboxRoutes } from "./sandboxes/sandbox-routes.ts";
import { SandboxService } from "./sandboxes/sandbox-service.ts";
import { SandboxSettings } from "./sandboxes/sandbox-settings.ts";
import { SandboxStore } from "./sandboxes/sandbox-store.ts";
import { Secrets } from "./secrets/secrets.ts";
import { SessionCookie } from "./sessions/session-cookie.ts";
import { sessionRoutes, signInRoutes } from "./sessions/session-routes.ts";
import { SessionScheme } from "./sessions/session-scheme.ts";
import { memberRoutes } from "./teams/member-routes.ts";
import { teamRoutes } from "./teams/team-routes.ts";
import { TeamStore } from "./teams/team-store.ts";
import { templateRoutes } from "./templates/template-routes.ts";
import { TemplateService } from "./templates/template-service.ts";
import { TemplateStore } from "./templates/template-store.ts";
import { userRoutes } from "./users/user-routes.ts";
import { createAccounts, createOAuth, isSecure } from "./wiring/accounts.ts";

/** Milliseconds that clients have to take the last answers of a server that stops. */
const LAST_WORDS_MS = 2_000;
/** Milliseconds that operations nobody waits for have then; the monitor settles what they leave. */
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

/** Wires all parts together and starts them; what has started is ended again when a later part fails. */
export async function startControlPlane(config: Config, log: Logger): Promise<ControlPlane> {
  const started: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of started.splice(0).reverse()) {
      await end().catch((error: unknown) => log.error({ err: error }, "a part did not end cleanly"));
    }
  };
  try {
    return { ...(await start(config, log, (end) => started.push(end))), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(
  config: Config,
  log: Logger,
  onClose: (end: () => Promise<unknown>) => void,
): Promise<Omit<ControlPlane, "close">> {
  const lock = await claimDataDirectory(config.dataDir, "control plane");
  onClose(() => lock.release());
  const database = await openDatabase(config, log);
  onClose(() => database.close());
  const { db } = database;
  const secrets = await Secrets.open(db, config, log);

  const changes = new AccessChanges(database.messages, log);
  onClose(await changes.follow());
  const teams = new TeamStore(db);
  const quotas = new QuotaStore(db, config.teamQuota);
  const apiKeys = new ApiKeyStore(db);
  const keysLastUsed = new BatchedTimestamps((times) => apiKeys.writeLastUsed(times), log);
  onClose(() => keysLastUsed.close());

  const pool = new HostClientPool();
  onClose(async () => pool.close());
  const hosts = new HostStore(db);
  const templates = new TemplateStore(db);
  const store = new SandboxStore(db);
  const activity = new BatchedTimestamps((times) => store.writeLastActive(times), log);
  onClose(() => activity.close());
  const operations = new DetachedOperations();
  onClose(() => operations.drain(DRAIN_MS));
  const access: SandboxAccess = new SandboxAccess(
    store,
    pool,
    activity,
    (teamId, id) => pausing.resume(teamId, id),
    (hostId) => monitor.look(hostId),
  );
  const localHost =
    config.localHost === undefined
      ? undefined
      : await LocalHost.register(config.localHost, { hosts, templates, pool, log });
  const scheduler = new RoundRobinScheduler(hosts, () => localHost?.join() ?? Promise.resolve());
  const quota = new TeamAdmission(teams, quotas);
  const settings = new SandboxSettings({ store, pool, access, operations });
  const pausing: SandboxPausing = new SandboxPausing({ db, store, quota, pool, access, settings, operations });
  const forks = new SandboxForks({ db, store, quota, pool, access, operations });
  const snapshots = new TemplateService({
    db,
    store: templates,
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
    templates,
    quota,
    scheduler,
    pool,
    access,
    operations,
    log,
  });
  const reconciler = new SandboxReconciler({ store, pool, access, log });
  const monitor: HostMonitor = new HostMonitor({
    hosts,
    pool,
    sandboxes: reconciler,
    leadership: database.leadership,
    log,
  });

  const cookie = new SessionCookie(isSecure(config));
  const accounts = await createAccounts({
    operations,
    log,
    config,
    db,
    secrets,
    changes,
    teams,
    apiKeys,
    sandboxes,
    templates: snapshots,
  });
  const authenticator = new SchemeAuthenticator([
    new ApiKeyScheme(apiKeys, keysLastUsed, changes),
    new SessionScheme({ ...accounts, store: accounts.sessions, cookie, changes }),
  ]);

  const version = readVersion();
  const { trustedProxies, allowedOrigins, publicUrl, transfers } = config;
  const origins = { allowedOrigins, cookie, ...(publicUrl === undefined ? {} : { publicUrl }) };
  const app = await createApp({ log, version, trustedProxies, hosts: config, transfers, origins });
  const requests = new OpenRequests(app);
  onClose(() => closeWithin(app, requests, transfers.endMs));
  const guard = new AccessGuard(authenticator, changes);
  guard.watchWebSockets(app);
  await app.register(healthRoutes(version));
  await app.register(docsRoutes);
  await app.register(signInRoutes({ ...accounts, cookie, changes }));
  await app.register(oauthRoutes({ ...createOAuth(config, db, accounts), cookie, limiter: accounts.limiter, log }));
  await app.register(async (scope) => {
    guard.requireUser(scope);
    await scope.register(sessionRoutes({ ...accounts, cookie, changes }));
    await scope.register(userRoutes({ ...accounts, accounts: accounts.own }));
    await scope.register(emailVerificationRoutes(accounts.verification));
    await scope.register(teamRoutes({ teams: accounts.teams, members: accounts.members, quotas }));
    await scope.register(memberRoutes(accounts.members));
    await scope.register(apiKeyRoutes(accounts.apiKeys));
    await scope.register(adminRoutes({ ...accounts, quotas, teams }));
  });
  await app.register(async (scope) => {
    guard.requireCaller(scope, "sandboxes");
    scope.addHook("preValidation", requireSandboxId);
    await scope.register(sandboxRoutes({ sandboxes, settings, pausing, forks }));
    await scope.register(commandRoutes(new CommandService(access), new AnswerBudget(transfers), transfers));
    const files = new FileService(access);
    const spool = { directory: join(config.dataDir, "spool"), budget: new SpoolBudget(transfers) };
    await scope.register(fileRoutes(files, spool));
    await scope.register(directoryRoutes(files));
  });
  await app.register(async (scope) => {
    guard.requireCaller(scope, "templates");
    await scope.register(templateRoutes(snapshots));
  });

  const leases = new SandboxLeases({ store, sandboxes, leadership: database.leadership, log });
  leases.start();
  onClose(() => leases.close());
  monitor.start();
  onClose(() => monitor.close());

  const url = await listen(app, config.listen);
  const file = new CredentialsFile(config.dataDir);
  await new Bootstrap({ db, teams, apiKeys, file, log }).run(config.publicUrl ?? url);
  if (config.firstAdmin) await accounts.admins.ensureFirst(config.firstAdmin);
  const { admins, platform, storedKeys: keys } = accounts;
  const operator = await startOperatorServer(config.dataDir, { admins, platform, quotas, keys, log });
  onClose(() => operator.close());
  log.info({ url }, "ready");
  return { url, routes: app.routes };
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

/** Takes no new requests, tells those that do not end in time that the server ends, and cuts off clients that do not listen. */
async function closeWithin(app: App, requests: OpenRequests, milliseconds: number): Promise<void> {
  requests.refuseMore(new WarrenError("server_stopping", "the server is being stopped; try again when it is back"));
  const ends = setTimeout(() => {
    const message =
      "the server is being stopped; what was asked for may have happened, or may go on: look when it is back";
    requests.breakOff(new WarrenError("server_stopping", message));
  }, milliseconds);
  const cut = setTimeout(() => app.server.closeAllConnections(), milliseconds + LAST_WORDS_MS);
  await app.close();
  clearTimeout(ends);
  clearTimeout(cut);
}

function readVersion(): string {
  const file = readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8");
  return (JSON.parse(file) as { version: string }).version;
}

/** Runs until a signal, or the end of standard input, asks it to stop. */
async function run(): Promise<void> {
  keepFilesPrivate();
  let report = new StartReport(undefined);
  let log = createLogger("info");
  try {
    const environment = readEnvironment(process.cwd(), process.env);
    report = new StartReport(readReadyFd(environment));
    const config = parseConfig(environment);
    log = createLogger(config.logLevel);
    const controlPlane = await startControlPlane(config, log);
    void endRequested(config).then(async (reason) => {
      log.info({ reason }, "stopping");
      await controlPlane.close();
      process.exit(0);
    });
    report.ready(controlPlane.url);
  } catch (error) {
    const reason = toCatalogueError(error);
    log.fatal({ err: error, code: reason.code }, "cannot start");
    report.failed(reason);
    process.exitCode = 1;
  }
}

if (import.meta.main) await run();
