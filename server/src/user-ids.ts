import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";

/** User and group ids that Warren gives to processes, and that nobody else of a machine may have. */
export interface OwnIds {
  first: number;
  last: number;
  /** Whose they are. */
  of: string;
  /** What happens when others have them too, and what to do about it. */
  remedy: string;
}

/**
 * User and group ids of microVMs: that of slot n is the first plus n. Slots are unique on a machine, so these are too. They are
 * above what others give by themselves: useradd to containers of users (SUB_UID_MAX of login.defs(5), 600,100,000), systemd
 * (up to 1,879,048,191 and from 2,147,418,112 on, "Users, Groups, UIDs and GIDs on systemd Systems") and SSSD to users of a
 * directory (up to 2,000,200,000, ldap_idmap_range_max of sssd-ldap(5)).
 */
export const MICROVM_IDS: OwnIds = {
  first: 2_100_000_000,
  // The highest slot is 32,767, see host-agent/src/network/addresses.ts.
  last: 2_100_032_767,
  of: "microVMs",
  remedy:
    "microVMs and processes of these users could reach each other; give them other ids (usermod --del-subuids, --add-subuids)",
};

/** User and group ids of servers of the embedded database, one for each that runs: those after the ids of microVMs. */
export const DATABASE_IDS: OwnIds = {
  first: 2_100_032_768,
  last: 2_100_033_023,
  of: "embedded databases",
  remedy: "their users could reach the database; give them other ids (usermod --uid, --del-subuids, --add-subuids)",
};

/** Somebody to whom the machine has given an id of Warren's. */
export interface IdOwner {
  name: string;
  /** File that says so. */
  file: string;
}

/** The user and group id of the microVM in a slot. */
export function userIdOf(slot: number): number {
  return MICROVM_IDS.first + slot;
}

/** Columns, from 0, of the ids that an account or a group has. */
const SINGLE = { passwd: [2, 3], group: [2] };
/** Files of ranges that users may give to their containers: name, first id, number of ids (subuid(5)). */
const RANGES = ["subuid", "subgid"];

/** All to whom files of `etc` give some of the ids: their processes and Warren's could reach, and be taken for, each other. */
export async function findOwners(ids: OwnIds, etc = "/etc"): Promise<IdOwner[]> {
  const overlaps = (first: number, count: number) => first <= ids.last && first + count > ids.first;
  const single = Object.entries(SINGLE).map(([file, columns]) =>
    ownersIn(join(etc, file), (fields) => columns.some((column) => overlaps(Number(fields[column] || Number.NaN), 1))),
  );
  const ranges = RANGES.map((file) =>
    ownersIn(join(etc, file), ([, first, count]) => overlaps(Number(first), Number(count))),
  );
  return (await Promise.all([...single, ...ranges])).flat();
}

/** Throws `conflict` when somebody else of this machine has some of the ids. */
export async function requireOwnIds(ids: OwnIds, etc?: string): Promise<void> {
  const owners = await findOwners(ids, etc);
  if (owners.length === 0) return;
  throw new WarrenError("conflict", `${describeOwners(ids, owners)}: ${ids.remedy}`);
}

/** Who else has the ids, in words. */
export function describeOwners({ first, last, of }: OwnIds, owners: IdOwner[]): string {
  const names = owners.map(({ name, file }) => `${name} (${file})`).join(", ");
  const which =
    first === last
      ? `id ${first}, which is for ${of}, is also that`
      : `ids ${first} to ${last}, which are for ${of}, are also those`;
  return `the user ${which} of ${names}`;
}

async function ownersIn(file: string, isOne: (fields: string[]) => boolean): Promise<IdOwner[]> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const lines = text.split("\n").map((line) => line.split(":"));
  return lines.filter(isOne).map(([name = ""]) => ({ name, file }));
}
