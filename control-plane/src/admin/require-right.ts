import type { PlatformPermission } from "@warren/contracts/rest/admin";
import type { FastifyRequest } from "fastify";
import type { ALL_RIGHTS } from "../audit/account-events.ts";
import { userOf } from "../callers/request-caller.ts";
import type { AdminService } from "./admin-service.ts";

/** A hook that lets users pass who administer the platform or have a right on it at this moment; with `all`, the former alone. */
export function requireRight(admins: AdminService, permission: PlatformPermission | typeof ALL_RIGHTS) {
  return async (request: FastifyRequest): Promise<void> => admins.require(userOf(request).userId, permission);
}
