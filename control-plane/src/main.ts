import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { ApiKeyScheme } from "./api-keys/api-key-scheme.ts";
import { ApiKeyStore } from "./api-keys/api-key-store.ts";
import { type App, createApp } from "./app.ts";
import { AccessChanges } from "./auth/access-changes.ts";
import { SchemeAuthenticator } from "./auth/authenticator.ts";
import { checkWebSocketOrigins } from "./auth/origin-check.ts";
import { requireCaller } from "./auth/require-caller.ts";
import { Bootstrap } from "./bootstrap/bootstrap.ts";
import { CredentialsFile } from "./bootstrap/credentials-file.ts";
import { commandRoutes } from "./commands/command-routes.ts";
import { CommandService } from "./commands/command-service.ts";
import { type Config, type ListenAddress, parseConfig, readEnvironment, readReadyFd } from "./config.ts";
import { lockDataDirectory } from "./data-directory/lock.ts";
import { BatchedTimestamps } from "./database/batched-timestamps.ts";
import { openDatabase } from "./database/database.ts";
import { DetachedOperations } from "./detached-operations.ts";
import { docsRoutes } from "./docs/docs-routes.ts";
import { toCatalogueError } from "./errors/catalogue-error.ts";
import { fileRoutes } from "./files/file-routes.ts";
import { FileService } from "./files/file-service.ts";
import { healthRoutes } from "./health/health-routes.ts";
import { HostClientPool } from "./hosts/host-client-pool.ts";
import { HostMonitor } from "./hosts/host-monitor.ts";
import { HostStore } from "./hosts/host-store.ts";
import { registerLocalHost } from "./hosts/local-host.ts";
import { RoundRobinScheduler } from "./hosts/scheduler.ts";
import { createLogger, type Logger } from "./logging.ts";
import { notReady, reportReadiness } from "./readiness.ts";
import { SandboxReconciler } from "./sandboxes/reconciler.ts";
import { SandboxAccess } from "./sandboxes/sandbox-access.ts";
import { SandboxesPerTeam } from "./sandboxes/sandbox-quota.ts";
import { sandboxRoutes } from "./sandboxes/sandbox-routes.ts";
import { SandboxService } from "./sandboxes/sandbox-service.ts";
import { SandboxStore } from "./sandboxes/sandbox-store.ts";
import { TeamStore } from "./teams/team-store.ts";
import { TemplateStore } from "./templates/template-store.ts";

/** A control plane that takes requests. */
export interface ControlPlane {
  /** Address of the server, such as http://127.0.0.1:3000. */
  url: string;
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
    return { url: await start(config, log, (end) => started.push(end)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(config: Config, log: Logger, onClose: (end: () => Promise<unknown>) => void): Promise<string> {
  const lock = await lockDataDirectory(config.dataDir);
  onClose(() => lock.release());
  const database = await openDatabase(config, log);
  onClose(() => database.close());
  const { db } = database;

  const changes = new AccessChanges();
  const teams = new TeamStore(db);
  const apiKeys = new ApiKeyStore(db);
  const keysLastUsed = new BatchedTimestamps((times) => apiKeys.writeLastUsed(times), log);
  onClose(() => keysLastUsed.close());
  const authenticator = new SchemeAuthenticator([new ApiKeyScheme(apiKeys, keysLastUsed, changes)]);

  const pool = new HostClientPool();
  onClose(async () => pool.close());
  const hosts = new HostStore(db);
  const templates = new TemplateStore(db);
  const store = new SandboxStore(db);
  const activity = new BatchedTimestamps((times) => store.writeLastActive(times), log);
  onClose(() => activity.close());
  const access = new SandboxAccess(store, pool, activity);
  const operations = new DetachedOperations();
  onClose(() => operations.drain());
  const scheduler = new RoundRobinScheduler(hosts);
  const quota = new SandboxesPerTeam();
  const sandboxes = new SandboxService({ db, store, templates, quota, scheduler, pool, access, operations, log });
  const reconciler = new SandboxReconciler({ store, pool, access, log });
  const monitor = new HostMonitor({ hosts, pool, sandboxes: reconciler, leadership: database.leadership, log });

  const version = readVersion();
  const app = await createApp({ log, version });
  onClose(() => app.close());
  await app.register(healthRoutes(version));
  await app.register(docsRoutes);
  await app.register(async (scope) => {
    checkWebSocketOrigins(scope, config.allowedOrigins);
    requireCaller(scope, authenticator, "sandboxes");
    await scope.register(sandboxRoutes(sandboxes));
    await scope.register(commandRoutes(new CommandService(access)));
    await scope.register(fileRoutes(new FileService(access), join(config.dataDir, "spool")));
  });

  if (config.localHost !== undefined) await registerLocalHost(config.localHost, { hosts, templates, pool, log });
  monitor.start();
  onClose(() => monitor.close());

  const url = await listen(app, config.listen);
  const file = new CredentialsFile(config.dataDir);
  await new Bootstrap({ db, teams, apiKeys, file, log }).run(config.publicUrl ?? url);
  log.info({ url }, "ready");
  return url;
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

function readVersion(): string {
  const file = readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8");
  return (JSON.parse(file) as { version: string }).version;
}

/** Runs until a signal, or the end of standard input, asks it to stop. */
async function run(): Promise<void> {
  let readyFd: number | undefined;
  let log = createLogger("info");
  try {
    const environment = readEnvironment(process.cwd(), process.env);
    readyFd = readReadyFd(environment);
    const config = parseConfig(environment);
    log = createLogger(config.logLevel);
    const controlPlane = await startControlPlane(config, log);
    stopOnSignal(controlPlane, config.exitWithParent, log);
    await reportReadiness(readyFd, { ready: true, url: controlPlane.url });
  } catch (error) {
    const reason = toCatalogueError(error);
    log.fatal({ err: error, code: reason.code }, "cannot start");
    await reportReadiness(readyFd, notReady(reason));
    process.exitCode = 1;
  }
}

function stopOnSignal(controlPlane: ControlPlane, exitWithParent: boolean, log: Logger): void {
  let stopping = false;
  const stop = (reason: string) => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ reason }, "stopping");
    void controlPlane.close().then(() => process.exit(0));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  if (exitWithParent) process.stdin.once("close", () => !stopping && stop("standard input ended")).resume();
}

if (import.meta.main) await run();
