import type { Kysely } from "kysely";
import type { AdminPermissionsTable } from "../admin/admin-permissions-table.ts";
import type { ApiKeysTable } from "../api-keys/api-keys-table.ts";
import type { EmailVerificationsTable } from "../email-verification/email-verifications-table.ts";
import type { HostsTable } from "../hosts/hosts-table.ts";
import type { OAuthProvidersTable, OAuthUsedStatesTable } from "../oauth/oauth-tables.ts";
import type { TeamQuotasTable } from "../quotas/team-quotas-table.ts";
import type { LoginAttemptsTable, RateLimitsTable } from "../rate-limits/rate-limit-tables.ts";
import type { SandboxesTable } from "../sandboxes/sandboxes-table.ts";
import type { SecretKeysTable } from "../secrets/secret-keys-table.ts";
import type { UserSessionsTable } from "../sessions/user-sessions-table.ts";
import type { SigningKeysTable } from "../signing-keys/signing-keys-table.ts";
import type { MembershipsTable } from "../teams/memberships-table.ts";
import type { TeamsTable } from "../teams/teams-table.ts";
import type { TemplatesTable } from "../templates/templates-table.ts";
import type { UsersTable } from "../users/users-table.ts";

/** All tables; each feature describes its own. */
export interface Tables {
  users: UsersTable;
  email_verifications: EmailVerificationsTable;
  oauth_providers: OAuthProvidersTable;
  oauth_used_states: OAuthUsedStatesTable;
  user_sessions: UserSessionsTable;
  signing_keys: SigningKeysTable;
  secret_keys: SecretKeysTable;
  admin_permissions: AdminPermissionsTable;
  rate_limits: RateLimitsTable;
  login_attempts: LoginAttemptsTable;
  teams: TeamsTable;
  users_teams: MembershipsTable;
  team_quotas: TeamQuotasTable;
  team_api_keys: ApiKeysTable;
  templates: TemplatesTable;
  hosts: HostsTable;
  sandboxes: SandboxesTable;
}

/** Query builder over the database. */
export type Db = Kysely<Tables>;
