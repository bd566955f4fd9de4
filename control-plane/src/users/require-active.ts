import { WarrenError } from "@warren/contracts/errors";
import type { UserRow } from "./user-store.ts";

/** Throws `account_deactivated` when an administrator has shut a user out. */
export function requireActive({ deactivated_at }: Pick<UserRow, "deactivated_at">): void {
  if (deactivated_at === null) return;
  throw new WarrenError(
    "account_deactivated",
    "an administrator of this server has deactivated your account; ask there why",
  );
}
