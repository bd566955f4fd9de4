import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { sql } from "kysely";

/** States of sandboxes that are over and need no more attention: their rows are history. */
export const FINAL: SandboxStatus[] = ["stopped", "error"];

const STATES = sql.join(FINAL.map((status) => sql.lit(status)));

/** Condition for such rows. */
export const OVER = sql<boolean>`status in (${STATES})`;

/** Condition for all others. Without parameters, so that statements which are prepared use the index of those rows. */
export const LIVE = sql<boolean>`status not in (${STATES})`;
