import { WarrenError } from "@warren/contracts/errors";
import { VIEW_FAILED } from "./view.ts";

/** What unshare(1) says when it may not make namespaces; its exit status is that of many programs. */
const NO_NAMESPACES = /^unshare: /m;

/** The error for a program whose view could not be made, by what it ended with; undefined when it ended otherwise. */
export function failedView(status: unknown, said: string): WarrenError | undefined {
  if (status !== VIEW_FAILED && !NO_NAMESPACES.test(said)) return undefined;
  return new WarrenError(
    "database_unavailable",
    "the files of the embedded database could not be mounted for its own user, which takes the rights of root " +
      `(CAP_SYS_ADMIN): ${said.trim()}; run the control plane as another user than root, or name a PostgreSQL with DATABASE_URL`,
  );
}
