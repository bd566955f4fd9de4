import type { Kysely } from "kysely";

/** All tables; each feature adds its own beside its stores. */
// biome-ignore lint/suspicious/noEmptyInterface: features add to it
export interface Tables {}

/** Query builder over the database. */
export type Db = Kysely<Tables>;
