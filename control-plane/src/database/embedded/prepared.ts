import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import type { Logger } from "../../logging.ts";
import { loadMigrations } from "../migrations.ts";
import { SUPERUSER } from "./cluster.ts";
import { hasServerUsers } from "./identity.ts";
import { copyDirectory, exists, publish, publishOnce, removeUnpublished } from "./publish.ts";
import type { ServerFiles } from "./server-files.ts";

/** Counts up when the same schema is prepared in another way. */
const LAYOUT = 1;

/** Where a prepared cluster comes from and goes to. */
export interface Preparation {
  files: ServerFiles;
  cacheDir: string;
  log: Logger;
}

/**
 * Makes a migrated, otherwise empty cluster in `directory`, unless there is one. To make it from nothing takes seconds
 * (initdb), so it is made once per version of the schema and of PostgreSQL, and copied. The directory appears in one
 * piece: whatever ends the process leaves all of it or nothing. The caller holds the lock of the data directory.
 */
export async function ensureCluster(directory: string, preparation: Preparation): Promise<void> {
  await removeUnpublished(directory);
  if (await exists(join(directory, "PG_VERSION"))) return;
  const prepared = await prepareCluster(preparation);
  await publish(directory, (temporary) => copyDirectory(prepared, temporary));
}

/** Directory of the prepared cluster in a cache directory; made when it is not there. */
export async function prepareCluster({ files, cacheDir, log }: Preparation): Promise<string> {
  const prepared = join(cacheDir, "database", cacheKey(files));
  await publishOnce(cacheDir, prepared, async (temporary) => {
    log.info({ directory: prepared }, "preparing the embedded database, once");
    // A client is needed for this alone, and the server is started before one is loaded.
    const { fillCluster } = await import("./fill-cluster.ts");
    await fillCluster(temporary, files, log);
  });
  return prepared;
}

function cacheKey({ version, directory }: ServerFiles): string {
  const hash = createHash("sha256").update(`${basename(directory)} ${LAYOUT} ${SUPERUSER} ${hasServerUsers()}`);
  for (const migration of loadMigrations()) hash.update(`\n${migration.name} ${migration.checksum}`);
  return `${version}-${hash.digest("hex").slice(0, 16)}`;
}
