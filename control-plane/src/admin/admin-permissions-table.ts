import type { PlatformPermission } from "@warren/contracts/rest/admin";
import type { Generated } from "kysely";

/** Table `admin_permissions`: rights of users who do not administer the whole platform. */
export interface AdminPermissionsTable {
  id: string;
  user_id: string;
  permission: PlatformPermission;
  created_at: Generated<Date>;
}

declare module "../database/tables.ts" {
  interface Tables {
    admin_permissions: AdminPermissionsTable;
  }
}
