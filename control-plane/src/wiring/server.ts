import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { accountDeletionRoutes } from "../accounts/account-deletion-routes.ts";
import { accountRoutes } from "../accounts/account-routes.ts";
import { passwordResetRoutes } from "../accounts/password-reset-routes.ts";
import { adminAuditRoutes } from "../admin/admin-audit-routes.ts";
import { adminListRoutes } from "../admin/admin-list-routes.ts";
import { adminRoutes } from "../admin/admin-routes.ts";
import { setupRoutes } from "../admin/setup-routes.ts";
import { apiKeyRoutes } from "../api-keys/api-key-routes.ts";
import { ApiKeyScheme } from "../api-keys/api-key-scheme.ts";
import type { ApiKeyStore } from "../api-keys/api-key-store.ts";
import { AuditQuery } from "../audit/audit-query.ts";
import { auditRoutes } from "../audit/audit-routes.ts";
import { AccessGuard } from "../auth/access-guard.ts";
import { SchemeAuthenticator } from "../auth/authenticator.ts";
import { userOf } from "../callers/request-caller.ts";
import { commandRoutes } from "../commands/command-routes.ts";
import { CommandService } from "../commands/command-service.ts";
import { processRoutes } from "../commands/process-routes.ts";
import { ProcessService } from "../commands/process-service.ts";
import { Builds } from "../dashboard/builds.ts";
import { dashboardRoutes } from "../dashboard/dashboard-routes.ts";
import { BatchedTimestamps } from "../database/batched-timestamps.ts";
import { emailVerificationRoutes } from "../email-verification/email-verification-routes.ts";
import type { EventFeed } from "../events/event-feed.ts";
import { eventRoutes } from "../events/event-routes.ts";
import type { FamilyReads } from "../family/family-reads.ts";
import { familyRoutes } from "../family/family-routes.ts";
import { directoryRoutes } from "../files/directory-routes.ts";
import { downloadRoutes } from "../files/download-routes.ts";
import { fileRoutes } from "../files/file-routes.ts";
import { FileService } from "../files/file-service.ts";
import { unpackRoute } from "../files/unpack-route.ts";
import { agentRoutes } from "../host-registry/agent-routes.ts";
import { hostRoutes } from "../host-registry/host-routes.ts";
import { createApp } from "../http/app.ts";
import type { App } from "../http/app-types.ts";
import { docsRoutes } from "../http/docs/docs-routes.ts";
import { healthRoutes } from "../http/health-routes.ts";
import { OpenRequests } from "../http/open-requests.ts";
import { AnswerBudget } from "../http/slow-clients/answer-budget.ts";
import { SpoolBudget } from "../http/slow-clients/spool-budget.ts";
import type { Monitoring } from "../monitoring/monitoring.ts";
import { oauthRoutes } from "../oauth/oauth-routes.ts";
import { providerLinkRoutes } from "../oauth/provider-link-routes.ts";
import { quotaRoutes } from "../quotas/quota-routes.ts";
import type { QuotaStore } from "../quotas/quota-store.ts";
import type { MetricReads } from "../sandbox-metrics/metric-reads.ts";
import { metricRoutes } from "../sandbox-metrics/metric-routes.ts";
import { requireSandboxId, sandboxRoutes } from "../sandboxes/sandbox-routes.ts";
import { SessionCookie } from "../sessions/session-cookie.ts";
import { sessionRoutes, signInRoutes } from "../sessions/session-routes.ts";
import { SessionScheme } from "../sessions/session-scheme.ts";
import { signInOptionsRoutes } from "../sessions/sign-in-options-routes.ts";
import type { StatsReads } from "../stats/stats-reads.ts";
import { statsRoutes } from "../stats/stats-routes.ts";
import { memberRoutes } from "../teams/member-routes.ts";
import { teamRoutes } from "../teams/team-routes.ts";
import type { TeamStore } from "../teams/team-store.ts";
import { templateRoutes } from "../templates/template-routes.ts";
import type { UsageLimitStore } from "../usage/limits/usage-limit-store.ts";
import type { UsageReads } from "../usage/usage-reads.ts";
import { usageRoutes } from "../usage/usage-routes.ts";
import { OF_PLATFORM, OF_TEAM, webhookRoutes } from "../webhooks/webhook-routes.ts";
import { type Accounts, createOAuth, isSecure } from "./accounts.ts";
import type { Foundation } from "./foundation.ts";
import type { HostRegistry } from "./host-registry.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { Webhooks } from "./webhooks.ts";

/** Milliseconds that clients have to take the last answers of a server that stops. */
const LAST_WORDS_MS = 2_000;

/** What the server's routes lead to. */
interface ServerNeed {
  version: string;
  teams: TeamStore;
  quotas: QuotaStore;
  usageLimits: UsageLimitStore;
  apiKeys: ApiKeyStore;
  accounts: Accounts;
  sandboxes: Sandboxes;
  hostRegistry: HostRegistry;
  stats: StatsReads;
  /** Absent when nobody may read metrics. */
  monitoring: Monitoring | undefined;
  metrics: MetricReads;
  usage: UsageReads;
  family: FamilyReads;
  events: EventFeed;
  webhooks: Webhooks;
}

/** The HTTP server with the routes of all features; it does not listen yet. */
export async function createServer(foundation: Foundation, need: ServerNeed): Promise<App> {
  const { config, log, onClose } = foundation;
  const { trustedProxies, allowedOrigins, publicUrl, transfers } = config;
  const cookie = new SessionCookie(isSecure(config));
  const guard = createGuard(foundation, need, cookie);
  const origins = { allowedOrigins, cookie, ...(publicUrl === undefined ? {} : { publicUrl }) };
  const app = await createApp({ log, version: need.version, trustedProxies, hosts: config, transfers, origins });
  const requests = new OpenRequests(app);
  need.monitoring?.follow(app, requests);
  onClose(() => closeWithin(app, requests, transfers.endMs));
  // Streams have no other end.
  onClose(() => need.events.close());
  guard.watchWebSockets(app);
  await app.register(healthRoutes(need.version));
  await app.register(docsRoutes);
  if (config.dashboardDir !== undefined) await app.register(dashboardRoutes(new Builds(config.dashboardDir, log)));
  await app.register(signInRoutes({ ...need.accounts, cookie }));
  await app.register(passwordResetRoutes(need.accounts));
  await app.register(setupRoutes({ ...need.accounts, cookie }));
  const oauth = createOAuth(foundation, need.accounts, cookie);
  const { users } = need.accounts;
  const providers = [...oauth.providers.values()].map(({ name, label }) => ({ name, label }));
  const passwordReset = need.accounts.passwordReset.isOffered;
  const offered = { signUpOpen: config.signUpOpen, passwordReset, providers, hasAccounts: () => users.any() };
  await app.register(signInOptionsRoutes(offered));
  await app.register(oauthRoutes(oauth.flow));
  await app.register(agentRoutes({ ...need.hostRegistry, limiter: need.accounts.limiter }));
  await registerAccountRoutes(app, guard, foundation, need, cookie, oauth);
  await registerSandboxRoutes(app, guard, foundation, need);
  await app.register(async (scope) => {
    guard.requireCaller(scope, "read");
    await scope.register(eventRoutes(need.events));
  });
  return app;
}

/** Recognizes programs by API keys and people by sessions. */
function createGuard(
  { log, changes, onClose }: Foundation,
  { apiKeys, accounts }: ServerNeed,
  cookie: SessionCookie,
): AccessGuard {
  const keysLastUsed = new BatchedTimestamps((times) => apiKeys.writeLastUsed(times), log);
  onClose(() => keysLastUsed.close());
  const sessionsLastUsed = new BatchedTimestamps((times) => accounts.sessions.writeLastUsed(times), log);
  onClose(() => sessionsLastUsed.close());
  const authenticator = new SchemeAuthenticator([
    new ApiKeyScheme(apiKeys, keysLastUsed, changes),
    new SessionScheme({ ...accounts, store: accounts.sessions, cookie, lastUsed: sessionsLastUsed, changes }),
  ]);
  return new AccessGuard(authenticator, changes);
}

async function registerAccountRoutes(
  app: App,
  guard: AccessGuard,
  { db }: Foundation,
  { accounts, quotas, usageLimits, teams, hostRegistry, webhooks }: ServerNeed,
  cookie: SessionCookie,
  oauth: ReturnType<typeof createOAuth>,
): Promise<void> {
  await app.register(async (scope) => {
    guard.requireUser(scope);
    await scope.register(sessionRoutes({ ...accounts, cookie }));
    await scope.register(accountRoutes({ ...accounts, accounts: accounts.own }));
    await scope.register(providerLinkRoutes({ ...oauth, limiter: accounts.limiter }));
    await scope.register(accountDeletionRoutes({ ...accounts, cookie }));
    await scope.register(emailVerificationRoutes(accounts.verification));
    await scope.register(teamRoutes({ teams: accounts.teams, members: accounts.members }));
    await scope.register(quotaRoutes(quotas));
    await scope.register(memberRoutes(accounts.members));
    await scope.register(apiKeyRoutes(accounts.apiKeys));
    await scope.register(hostRoutes({ ...hostRegistry, keeperOf: userOf }));
    await scope.register(webhookRoutes(webhooks, OF_TEAM, webhooks.teamScope));
    await scope.register(webhookRoutes(webhooks, OF_PLATFORM, webhooks.platformScope));
    await scope.register(adminListRoutes(accounts));
    const events = new AuditQuery(db);
    await scope.register(auditRoutes(events, guard));
    await scope.register(adminAuditRoutes({ ...accounts, events, rights: guard }));
    await scope.register(adminRoutes({ ...accounts, quotas, usageLimits, teams }));
  });
}

async function registerSandboxRoutes(
  app: App,
  guard: AccessGuard,
  { config, audit }: Foundation,
  { sandboxes: { access, templates, ...sandboxes }, stats, metrics, usage, usageLimits, family }: ServerNeed,
): Promise<void> {
  const { transfers } = config;
  await app.register(async (scope) => {
    guard.requireCaller(scope, "sandboxes");
    scope.addHook("preValidation", requireSandboxId);
    await scope.register(sandboxRoutes(sandboxes));
    await scope.register(statsRoutes(stats));
    await scope.register(metricRoutes({ metrics, ...sandboxes }));
    await scope.register(usageRoutes(usage, usageLimits));
    await scope.register(familyRoutes(family));
    const commands = new CommandService(access, audit.sandboxes);
    const processes = new ProcessService(access, audit.sandboxes);
    await scope.register(commandRoutes(commands, processes, new AnswerBudget(transfers), transfers));
    await scope.register(processRoutes(processes, transfers));
    const files = new FileService(access, audit.sandboxes);
    const spool = { directory: join(config.dataDir, "spool"), budget: new SpoolBudget(transfers) };
    await scope.register(fileRoutes(files, spool));
    await scope.register(directoryRoutes(files));
    await scope.register(downloadRoutes(files));
    await scope.register(unpackRoute(files));
  });
  await app.register(async (scope) => {
    guard.requireCaller(scope, "templates");
    await scope.register(templateRoutes(templates));
  });
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
