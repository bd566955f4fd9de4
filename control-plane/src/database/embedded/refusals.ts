import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import { clusterMajor } from "./cluster.ts";
import { exists } from "./publish.ts";
import type { ServerFiles } from "./server-files.ts";

/** Throws `conflict`, with nothing changed, when a data directory has a database that this version cannot use. */
export async function refuseOtherDatabases(dataDir: string, cluster: string, files: ServerFiles): Promise<void> {
  await refuseEarlierKind(dataDir);
  const major = await clusterMajor(cluster);
  if (major === undefined || major === files.major) return;
  const found = `the database ${cluster} was made by PostgreSQL ${major}, and this version of Warren has ${files.major}`;
  const remedy =
    major > files.major
      ? "use the newer version of Warren that made it"
      : "stop this server if it runs, then run warren admin database upgrade";
  throw new WarrenError("conflict", `${found}; ${remedy}`);
}

/** Warren 0.1 had PostgreSQL in its own process, which left no way to read its files with another version. */
async function refuseEarlierKind(dataDir: string): Promise<void> {
  const directory = join(dataDir, "db");
  if (!(await exists(join(directory, "PG_VERSION")))) return;
  throw new WarrenError(
    "conflict",
    `${directory} is the database of an earlier version of Warren, which this one cannot read: what it says of teams, API ` +
      "keys and sandboxes would be missing. Use that version, or another data directory; to begin anew here, destroy the " +
      `sandboxes with that version, then move ${directory} elsewhere`,
  );
}
