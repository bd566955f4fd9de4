import { AccountDeletion } from "../accounts/account-deletion.ts";
import { AccountService } from "../accounts/account-service.ts";
import { AccountStore } from "../accounts/account-store.ts";
import { LeavingStore } from "../accounts/leaving-store.ts";
import { PasswordReset } from "../accounts/password-reset.ts";
import { Reauthentication } from "../accounts/reauthentication.ts";
import { UserSearch } from "../accounts/user-search.ts";
import { AdminService } from "../admin/admin-service.ts";
import { PlatformLists } from "../admin/platform-lists.ts";
import { PlatformStore } from "../admin/platform-store.ts";
import { Setup } from "../admin/setup.ts";
import { UserRights } from "../admin/user-rights.ts";
import { ApiKeyService } from "../api-keys/api-key-service.ts";
import type { ApiKeyStore } from "../api-keys/api-key-store.ts";
import type { Config } from "../config.ts";
import { EmailVerification } from "../email-verification/email-verification.ts";
import { Mailer } from "../mail/mailer.ts";
import { IdentityStore } from "../oauth/identity-store.ts";
import { OAuthFlow } from "../oauth/oauth-flow.ts";
import { createProviders } from "../oauth/oauth-settings.ts";
import { OAuthSignIn } from "../oauth/oauth-sign-in.ts";
import { OAuthStates } from "../oauth/oauth-states.ts";
import { ProviderLinks } from "../oauth/provider-links.ts";
import type { QuotaStore } from "../quotas/quota-store.ts";
import { LoginAttempts } from "../rate-limits/login-attempts.ts";
import { RateLimiter } from "../rate-limits/rate-limiter.ts";
import type { SandboxService } from "../sandboxes/sandbox-service.ts";
import type { SessionCookie } from "../sessions/session-cookie.ts";
import { SessionStore } from "../sessions/session-store.ts";
import { SignIn } from "../sessions/sign-in.ts";
import { SignOut } from "../sessions/sign-out.ts";
import { UserTokens } from "../sessions/user-tokens.ts";
import { ConfiguredKeys } from "../signing-keys/signing-keys.ts";
import { StoredKeys } from "../signing-keys/stored-keys.ts";
import { MemberService } from "../teams/member-service.ts";
import { MembershipStore } from "../teams/membership-store.ts";
import { TeamService } from "../teams/team-service.ts";
import type { TeamStore } from "../teams/team-store.ts";
import type { TemplateService } from "../templates/template-service.ts";
import type { UsageLimitStore } from "../usage/limits/usage-limit-store.ts";
import { PasswordHasher } from "../users/passwords.ts";
import { UserStore } from "../users/user-store.ts";
import type { Foundation } from "./foundation.ts";

/** What accounts take from the other areas. */
interface AccountsNeed {
  teams: TeamStore;
  quotas: QuotaStore;
  usageLimits: UsageLimitStore;
  apiKeys: ApiKeyStore;
  sandboxes: SandboxService;
  templates: TemplateService;
}

/** People, their sessions, teams and keys. */
export type Accounts = Awaited<ReturnType<typeof createAccounts>>;

/** Wires people, their sessions, teams and keys together. */
export async function createAccounts(
  foundation: Foundation,
  { teams, quotas, usageLimits, apiKeys, sandboxes, templates }: AccountsNeed,
) {
  const { config, db, secrets, changes, audit, operations, log } = foundation;
  const [secret, ...previous] = config.jwtSecrets;
  const storedKeys = secret === undefined ? new StoredKeys({ db, secrets, changes, audit: audit.accounts }) : undefined;
  await storedKeys?.prepare();
  const keys = storedKeys ?? new ConfiguredKeys([secret!, ...previous]);

  const limiter = new RateLimiter(db, config.rateLimitFactor);
  const hasher = new PasswordHasher();
  const users = new UserStore(db);
  const memberships = new MembershipStore(db);
  const stored = new AccountStore(users, teams, memberships);
  const sessions = new SessionStore(db);
  const reauthentication = new Reauthentication(hasher, limiter, sessions);
  const tokens = new UserTokens(keys);
  const attempts = new LoginAttempts(db);
  const { signUpOpen, publicUrl = "", smtp } = config;
  const mail = smtp && { mailer: new Mailer(smtp, log) };
  const verification = new EmailVerification({
    db,
    users,
    limiter,
    operations,
    audit: audit.accounts,
    publicUrl,
    ...mail,
  });
  const signIn = new SignIn({
    db,
    users,
    accounts: stored,
    memberships,
    sessions,
    tokens,
    hasher,
    limiter,
    attempts,
    verification,
    signUpOpen,
    audit: audit.accounts,
  });
  const teamService = new TeamService({
    db,
    teams,
    memberships,
    sandboxes,
    templates,
    limiter,
    changes,
    audit: audit.teams,
  });
  const platform = new PlatformStore(db);
  const admins = new AdminService({
    db,
    platform,
    users,
    accounts: stored,
    memberships,
    teams,
    quotas,
    usageLimits,
    sessions,
    hasher,
    changes,
    audit,
  });
  return {
    keys,
    storedKeys,
    limiter,
    tokens,
    sessions,
    stored,
    signIn,
    verification,
    platform,
    search: new UserSearch(db, limiter),
    own: new AccountService({ db, users, teams, sessions, hasher, reauthentication, changes, audit: audit.accounts }),
    passwordReset: new PasswordReset({
      db,
      users,
      sessions,
      hasher,
      limiter,
      operations,
      changes,
      memberships,
      audit: audit.accounts,
      dashboardUrl: config.oauth.dashboardUrl ?? publicUrl,
      log,
      ...mail,
    }),
    deletion: new AccountDeletion({
      db,
      users,
      memberships,
      leaving: new LeavingStore(),
      teams: teamService,
      reauthentication,
      changes,
      audit,
    }),
    teams: teamService,
    members: new MemberService({
      teams: teamService,
      memberships,
      users,
      apiKeys,
      limiter,
      verifiedOnly: config.verifiedMembersOnly,
      changes,
      audit: audit.teams,
    }),
    apiKeys: new ApiKeyService({ store: apiKeys, teams: teamService, limiter, changes, audit: audit.teams }),
    signOut: new SignOut({ db, sessions, changes, audit: audit.accounts }),
    users,
    reauthentication,
    admins,
    lists: new PlatformLists(db),
    rights: new UserRights({ db, users, platform, changes, audit: audit.accounts }),
    setup: new Setup({ db, platform, admins, signIn }),
  };
}

/** Wires signing in through providers, and linking accounts to them, together. */
export function createOAuth({ config, db, log, audit }: Foundation, accounts: Accounts, cookie: SessionCookie) {
  const { keys, stored, signIn, limiter } = accounts;
  // Providers are configured only together with a public address.
  const publicUrl = config.publicUrl ?? "";
  const providers = createProviders(config.oauth);
  const identities = new IdentityStore(db);
  const links = new ProviderLinks({
    ...accounts,
    db,
    identities,
    providers,
    memberships: new MembershipStore(db),
    audit: audit.accounts,
  });
  const flow = new OAuthFlow({
    providers,
    states: new OAuthStates(db, keys),
    signIn: new OAuthSignIn({ db, identities, accounts: stored, signIn, audit: audit.accounts }),
    links,
    cookie,
    limiter,
    log,
    publicUrl,
    dashboardUrl: config.oauth.dashboardUrl ?? publicUrl,
    secure: isSecure(config),
  });
  return { providers, links, flow };
}

/** Whether browsers reach the server by https. */
export function isSecure({ publicUrl }: Config): boolean {
  return publicUrl?.startsWith("https:") ?? false;
}
